package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"parley/internal/app/wire"
	"parley/internal/redisstore"
	"parley/internal/rpc"
	"parley/test/realdeps"
)

// clientOver writes a client.yaml of a client service without tenants over a Redis.
func clientOver(t *testing.T, redis, public, ops string) (file string) {
	t.Helper()
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	file = filepath.Join(dir, "client.yaml")
	text := fmt.Sprintf(`http: {listen: %q, ops: %q}
redis: {addrs: [%q]}
registry: {mode: direct, direct: ["127.0.0.1:1"]}
live: {source: file, dir: %q}
shutdown: {linger: 0s}
`, public, ops, redis, live)
	if err := errors.Join(os.Mkdir(live, 0o700), os.WriteFile(file, []byte(text), 0o600),
		os.WriteFile(filepath.Join(live, "parley-routes.yaml"), []byte("providers: {s: {dialect: simulated}}\nmodels: {chat: [s/m]}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestClientRefusesDataThatIsNotForIt(t *testing.T) {
	mr := miniredis.RunT(t)
	if err := mr.Set("parley:format", "7 6"); err != nil {
		t.Fatal(err)
	}
	before := mr.Dump()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := RunClient(ctx, wire.Env{Stdout: io.Discard, Stderr: io.Discard}, clientOver(t, mr.Addr(), "127.0.0.1:0", "127.0.0.1:0"))
	if _, ok := errors.AsType[*redisstore.FormatError](err); !ok || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "start the newer release") {
		t.Errorf("%v", err)
	}
	if ctx.Err() != nil {
		t.Error("it did not end by itself")
	}
	if code := wire.ExitCode(err); code != 1 {
		t.Errorf("exit status %d", code)
	}
	if after := mr.Dump(); after != before {
		t.Errorf("it wrote:\n%s", after)
	}
}

// A client service that starts before Redis refuses it as soon as it is there.
func TestClientWaitsForRedisAndThenRefuses(t *testing.T) {
	mr := miniredis.RunT(t)
	address := mr.Addr()
	mr.Close()
	ops, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	file := clientOver(t, address, "127.0.0.1:0", ops)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- RunClient(ctx, wire.Env{Stdout: io.Discard, Stderr: io.Discard}, file)
	}()
	for up := false; !up && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ops+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		up = true
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "redis") {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	if err := mr.Set("parley:format", "hello"); err != nil {
		t.Fatal(err)
	}
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "does not understand") {
		t.Errorf("%v", err)
	}
}

func TestHeartbeatNamesServersOfAnotherProtocol(t *testing.T) {
	up, out := countServers([]rpc.Instance{
		{Address: "a:1", Up: true, Enabled: true}, {Address: "b:1", Up: true, Enabled: true, Misfit: "upgrade"}, {Address: "c:1", Enabled: true}, {Address: "d:1", Up: true},
	})
	if diff := cmp.Diff([]string{"b:1: upgrade"}, out); diff != "" || up != 1 {
		t.Errorf("%d up; left out (-want +got):\n%s", up, diff)
	}
}
