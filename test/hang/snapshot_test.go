package hang

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/test/rig"
)

// TestStartWhileNacosHangs starts client services while Nacos hangs. One that kept what Nacos told it before serves as before, and says on what
// it runs; one that kept nothing waits, and leaves when it is asked to.
func TestStartWhileNacosHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	direct := s.rig.Nacos.Addr
	way := newWire(t, direct, true)
	s.rig.Nacos.Addr = way.addr // for what is started from here on
	defer func() { s.rig.Nacos.Addr = direct }()
	server := s.server("server")
	folder := filepath.Join(s.rig.Dir, "kept")
	config := func(addr, ops string) string {
		return strings.Replace(s.clientYAML(addr, ops, s.rig.Redis.Addr), "{source: nacos}", fmt.Sprintf("{source: nacos, snapshot: %q}", folder), 1)
	}
	client, err := s.rig.StartNode(ctx, "client", "client", s.env(), config)
	s.must(err)
	s.must(s.company.Entry(client.Addr))
	s.answered("before")
	s.eventually(20*time.Second, "documents and servers are kept", func() string {
		for _, name := range []string{"documents/parley-routes", "documents/tenant.acme", "servers.json"} {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	s.leaves(client, 30*time.Second)

	way.hang()
	again, err := client.Restart(ctx)
	s.must(err)
	s.eventually(20*time.Second, "the server is found", usable(ctx, again, 1))
	s.answered("meanwhile")
	for name, refused := range s.documentsOf(again) {
		if !strings.Contains(refused, "Nacos has not answered since the start") {
			t.Errorf("/readyz does not say that %s was kept: %q", name, refused)
		}
	}
	waits := make(chan error, 1)
	go func() {
		_, err := s.rig.StartNode(ctx, "client", "waits", s.env(), func(addr, ops string) string { return s.clientYAML(addr, ops, s.rig.Redis.Addr) })
		waits <- err
	}()
	time.Sleep(10 * time.Second) // twice as long as the other needed
	select {
	case err := <-waits:
		t.Errorf("a client that knows nothing is ready: %v", err)
	default:
	}

	way.mend()
	s.eventually(time.Minute, "Nacos' own word again", func() string {
		for name, refused := range s.documentsOf(again) {
			if refused != "" {
				return name + ": " + refused
			}
		}
		return ""
	})
	if err := <-waits; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
	s.answered("after")

	way.hang()
	s.leaves(again, 30*time.Second)
	s.leaves(server, 30*time.Second)
}

// documentsOf reads /readyz: what is wrong with each document.
func (s *stage) documentsOf(n *rig.Node) map[string]string {
	s.Helper()
	resp, err := http.Get("http://" + n.Ops + "/readyz")
	s.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.must(err)
	var state struct {
		Documents []struct{ Name, Refused string }
	}
	s.must(json.Unmarshal(body, &state))
	out := map[string]string{}
	for _, d := range state.Documents {
		out[d.Name] = d.Refused
	}
	if len(out) != 2 {
		s.Fatalf("/readyz tells of %d documents: %s", len(out), body)
	}
	return out
}
