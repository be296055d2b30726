package rpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/test/realdeps"
)

// nacosForTest gives the address of a real Nacos and a namespace of its own; on a build machine there must be one.
func nacosForTest(t *testing.T) (addr, namespace string) {
	t.Helper()
	if raceDetector {
		t.Skip("SKIPPED with the race detector: it finds races inside nacos-sdk-go whenever its connection changes")
	}
	addr = os.Getenv("PARLEY_TEST_NACOS")
	if addr == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PARLEY_TEST_NACOS names no Nacos (host:port)")
		}
		t.Skip("SKIPPED: PARLEY_TEST_NACOS names no Nacos (host:port); discovery is not tested")
	}
	id := make([]byte, 6)
	_, _ = rand.Read(id)
	return addr, "parley-test-" + hex.EncodeToString(id)
}

// serve runs a server in this process until the test ends.
func serve(t testing.TB, o ServerOptions) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Registry.Mode == "" {
		o.Registry.Mode = ModeDirect
	}
	if o.Linger == 0 {
		o.Linger = time.Millisecond
	}
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return s
}

func dial(t testing.TB, o ClientOptions) *Client {
	t.Helper()
	c, err := Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dialDirect(t testing.TB, addrs ...string) *Client {
	t.Helper()
	c := dial(t, ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: addrs}})
	awaitUp(t, c, addrs...)
	return c
}

func dialNacos(t *testing.T, addr, namespace string) *Client {
	t.Helper()
	return dial(t, ClientOptions{Registry: Registry{Mode: ModeNacos, Nacos: Nacos{Addrs: []string{addr}, Namespace: namespace}}})
}

// eventually waits for ok with a limit that only a broken program reaches.
func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("not within 30 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

func awaitUp(t testing.TB, c *Client, addrs ...string) {
	t.Helper()
	eventually(t, "the servers are up", func() bool {
		for _, addr := range addrs {
			if i := instance(c, addr); i == nil || !i.Up || !i.Enabled {
				return false
			}
		}
		return true
	})
}

func instance(c *Client, addr string) *Instance {
	all := c.Servers()
	if i := slices.IndexFunc(all, func(i Instance) bool { return i.Address == addr }); i >= 0 {
		return &all[i]
	}
	return nil
}

// untilEnd gives a question that is answered, a word at a time, until end is called: by a server in another process, too.
func untilEnd(t testing.TB) (q string, end func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "end")
	return "until " + file, func() {
		t.Helper()
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func question(text string) chat.Request {
	return chat.Request{Tenant: "acme", Turn: "t1", Model: "chat", Question: text, Deltas: true}
}

// running is a completion that a test started.
type running struct {
	started chan struct{} // closed with the first event
	deltas  chan string
	ended   chan error
	reply   chat.Reply
}

func start(t testing.TB, ctx context.Context, c *Client, q string) *running {
	t.Helper()
	r := &running{started: make(chan struct{}), deltas: make(chan string, 10_000), ended: make(chan error, 1)}
	go func() {
		var err error
		first := true
		r.reply, err = c.Complete(ctx, question(q), func(e chat.Event) {
			if first {
				first = false
				close(r.started)
			}
			if e.Kind == chat.Delta {
				r.deltas <- e.Text
			}
		})
		r.ended <- err
	}()
	return r
}

func (r *running) awaitStart(t testing.TB) {
	t.Helper()
	select {
	case <-r.started:
	case err := <-r.ended:
		t.Fatalf("the completion ended before its first event: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the completion did not start")
	}
}

func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(60 * time.Second):
		t.Fatal("the completion did not end")
		return nil
	}
}

func ask(ctx context.Context, c *Client, q string) (chat.Reply, error) {
	return c.Complete(ctx, question(q), func(chat.Event) {})
}

func wantKind(t testing.TB, err error, want chat.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	if got := chat.KindOf(err); got != want {
		t.Fatalf("got %v (%v), want %v", got, err, want)
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
