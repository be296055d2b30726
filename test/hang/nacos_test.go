package hang

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// TestNacosHangs lets Nacos hang while people talk: nothing that was known is forgotten, no turn fails, and processes leave in time.
func TestNacosHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	direct := s.rig.Nacos.Addr
	way := newWire(t, direct, true)
	s.rig.Nacos.Addr = way.addr // for what is started from here on
	defer func() { s.rig.Nacos.Addr = direct }()
	one, two := s.server("one"), s.server("two")
	client := s.client("client", s.rig.Redis.Addr)
	s.eventually(20*time.Second, "two servers", usable(ctx, client, 2))
	before := documents(ctx, client) + documents(ctx, one)

	way.hang()
	began := time.Now()
	for i := 0; time.Since(began) < *hangFor; i++ {
		s.answered(fmt.Sprintf("meanwhile-%d", i))
		for _, n := range []*rig.Node{client, one} {
			s.answersFast(n, "/healthz", http.StatusOK)
			s.answersFast(n, "/readyz", http.StatusOK)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if after := documents(ctx, client) + documents(ctx, one); after != before || after == "" {
		t.Errorf("documents in force before: %s\nand after: %s", before, after)
	}
	s.eventually(10*time.Second, "two servers all the time", usable(ctx, client, 2))

	s.must(s.model.SetPace(ctx, llm.Pace{First: time.Second, Chunks: 4})) // a server that leaves lets its turns end
	done := make(chan struct{})
	go func() {
		defer close(done)
		for user, got := range s.crowd(people("leaving", 10)) {
			if !answers(got, user) {
				t.Errorf("%s was told %q", user, got.Content)
			}
		}
	}()
	time.Sleep(300 * time.Millisecond)
	s.leaves(two, 30*time.Second)
	<-done
	s.answered("one-server-left")
	s.leaves(client, 30*time.Second)
	s.leaves(one, 30*time.Second)
}

func usable(ctx context.Context, client *rig.Node, want float64) func() string {
	return func() string {
		m, err := client.Metrics(ctx)
		if n := m.Sum("parley_rpc_client_servers_up"); err != nil || n != want {
			return fmt.Sprintf("%v, want %v; %v", n, want, err)
		}
		return ""
	}
}

// documents are the revisions in force in a process.
func documents(ctx context.Context, n *rig.Node) (list string) {
	m, err := n.Metrics(ctx)
	if err != nil {
		return err.Error()
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(key, "parley_document_info{") && m[key] == 1 {
			list += key + "\n"
		}
	}
	return list
}
