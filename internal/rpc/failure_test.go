package rpc

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// linger is how long a server that leaves takes new calls where a test calls all the while: the client learns of it by a probe, which a busy
// machine delays beyond the 700 ms of the default.
const linger = 3 * time.Second

func startServer(t *testing.T, o peerOptions) *process {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	word := "listening"
	if o.Nacos != "" {
		word = "ready"
	}
	return startPeer(t, "server", o, word)
}

// occupy starts completions until each of the servers runs one, and gives them by the server's address.
func occupy(t *testing.T, ctx context.Context, c *Client, q string, addrs ...string) map[string]*running {
	t.Helper()
	out := map[string]*running{}
	for range addrs {
		before := c.Servers()
		r := start(t, ctx, c, q)
		r.awaitStart(t)
		for i, after := range c.Servers() {
			if after.Streams > before[i].Streams {
				out[after.Address] = r
			}
		}
	}
	if len(out) != len(addrs) {
		t.Fatalf("the completions went to %d servers of %d", len(out), len(addrs))
	}
	return out
}

func TestAKilledServer(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, peerOptions{}), startServer(t, peerOptions{})
	c := dialDirect(t, a.addr, b.addr)
	held := occupy(t, t.Context(), c, "count 100000 10ms", a.addr, b.addr)
	a.signal(syscall.SIGKILL)
	err := held[a.addr].wait(t)
	wantKind(t, err, chat.Unavailable)
	for range 20 { // the very next ones go elsewhere
		if _, err := ask(t.Context(), c, "echo"); err != nil {
			t.Fatalf("after the kill: %v", err)
		}
	}
	if instance(c, a.addr).Up {
		t.Error("the dead server counts as up")
	}
	select {
	case err := <-held[b.addr].ended:
		t.Errorf("the other server's completion ended: %v", err)
	default:
	}
	restarted := startServer(t, peerOptions{Listen: a.addr})
	took := eventually(t, "it is used again", func() bool { return instance(c, restarted.addr).Up })
	t.Logf("used again %v after it listened", took.Round(time.Millisecond))
}

// stuckLog holds back whoever logs that a server is avoided, as a disk does that is being synced.
type stuckLog struct {
	slog.Handler
	armed   *atomic.Bool
	stuck   chan struct{} // closed when somebody is held back
	release chan struct{}
	once    *sync.Once
}

func (h stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (h stuckLog) Handle(ctx context.Context, r slog.Record) error {
	if h.armed.Load() && strings.Contains(r.Message, "is avoided") {
		h.once.Do(func() { close(h.stuck) })
		<-h.release
	}
	return nil
}

// Many turns run on a server that dies: each of them finds it avoided when it looks for another, also while the first is still busy with
// avoiding it.
func TestEveryTurnOfAKilledServerGoesElsewhere(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, peerOptions{}), startServer(t, peerOptions{})
	h := stuckLog{slog.DiscardHandler, new(atomic.Bool), make(chan struct{}), make(chan struct{}), new(sync.Once)}
	release := sync.OnceFunc(func() { close(h.release) })
	c := dial(t, ClientOptions{
		Registry:  Registry{Mode: ModeDirect, Direct: []string{a.addr, b.addr}},
		Telemetry: &telemetry.Telemetry{Log: slog.New(h), Metrics: prometheus.NewRegistry()},
	})
	t.Cleanup(release) // before the client is closed, which waits for whoever is held back
	awaitUp(t, c, a.addr, b.addr)
	again := make(chan error, 16)
	var all []*running
	for range cap(again) {
		r := start(t, t.Context(), c, "count 100000 10ms")
		r.awaitStart(t)
		all = append(all, r)
	}
	turns := instance(c, a.addr).Streams
	if turns < 2 {
		t.Fatalf("%d turns run on the server that is to die", turns)
	}
	for _, r := range all {
		go func() {
			if err := r.wait(t); chat.KindOf(err) != chat.Unavailable {
				return // it ran on the other server
			}
			_, err := ask(t.Context(), c, "echo")
			again <- err
		}()
	}
	h.armed.Store(true)
	a.signal(syscall.SIGKILL)
	<-h.stuck
	for range turns - 1 { // all but the one held back
		if err := <-again; err != nil {
			t.Errorf("a turn met the dead server again: %v", err)
		}
	}
	release()
	if err := <-again; err != nil {
		t.Errorf("the first one met the dead server again: %v", err)
	}
}

func TestAHungServer(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, peerOptions{}), startServer(t, peerOptions{})
	c := dialDirect(t, a.addr, b.addr)
	held := occupy(t, t.Context(), c, "count 100000 10ms", a.addr, b.addr)
	a.signal(syscall.SIGSTOP)
	stopped := time.Now()
	out := eventually(t, "it is avoided", func() bool { return !instance(c, a.addr).Up })
	wantKind(t, held[a.addr].wait(t), chat.Unavailable)
	t.Logf("avoided after %v, its completion given up after %v", out.Round(time.Millisecond), time.Since(stopped).Round(time.Millisecond))
	for range 20 {
		if _, err := ask(t.Context(), c, "echo"); err != nil {
			t.Fatalf("while it hangs: %v", err)
		}
	}
	a.signal(syscall.SIGCONT)
	back := eventually(t, "it is used again", func() bool { return instance(c, a.addr).Up })
	t.Logf("used again %v after it went on", back.Round(time.Millisecond))
	select {
	case err := <-held[b.addr].ended:
		t.Errorf("the other server's completion ended: %v", err)
	default:
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, peerOptions{Linger: linger}), startServer(t, peerOptions{})
	c := dialDirect(t, a.addr, b.addr)
	long, end := untilEnd(t)
	held := occupy(t, t.Context(), c, long, a.addr, b.addr)
	a.signal(syscall.SIGTERM)
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() { // calls all the while: none may fail
		for {
			select {
			case <-stop:
				close(failed)
				return
			default:
			}
			if _, err := ask(t.Context(), c, "echo"); err != nil {
				failed <- err
				return
			}
		}
	}()
	eventually(t, "it is known to leave", func() bool { return !instance(c, a.addr).Up })
	time.Sleep(linger) // by its end the server refuses whoever is new, and must still write what is running
	end()
	if err := held[a.addr].wait(t); err != nil {
		t.Errorf("a running completion was cut: %v", err)
	}
	words := strings.Fields(held[a.addr].reply.Text)
	for i, w := range words {
		if w != strconv.Itoa(i) {
			t.Fatalf("word %d is %s", i, w)
		}
	}
	if len(words) < 10 {
		t.Errorf("the answer has only %d words", len(words))
	}
	if err := a.wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a call failed during the drain: %v", err)
	}
	if i := instance(c, a.addr); i.Up {
		t.Error("the drained server counts as up")
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	t.Parallel()
	a := startServer(t, peerOptions{Drain: 300 * time.Millisecond})
	c := dialDirect(t, a.addr)
	r := start(t, t.Context(), c, "silent")
	r.awaitStart(t)
	a.signal(syscall.SIGTERM)
	wantKind(t, r.wait(t), chat.Unavailable)
	if err := a.wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestADrainingServerRefuses(t *testing.T) {
	t.Parallel()
	a := startServer(t, peerOptions{})
	c := dialDirect(t, a.addr)
	long, end := untilEnd(t)
	r := start(t, t.Context(), c, long)
	r.awaitStart(t)
	a.signal(syscall.SIGTERM)
	eventually(t, "it is known to leave", func() bool { return !instance(c, a.addr).Up })
	eventually(t, "it drains", func() bool {
		st, err := c.Inspect(t.Context(), a.addr)
		return err == nil && st.Draining && st.Streams == 1
	})
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
	end()
	if err := r.wait(t); err != nil {
		t.Error(err)
	}
}

func TestWordsArriveAsTheyAreMade(t *testing.T) {
	t.Parallel()
	a := startServer(t, peerOptions{})
	c := dialDirect(t, a.addr)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := start(t, ctx, c, "count 100000 50ms")
	var words []string
	for len(words) < 3 {
		select {
		case w := <-r.deltas:
			words = append(words, w)
		case err := <-r.ended:
			t.Fatalf("ended (%v) before its first words came: %v", err, words)
		}
	}
	if want := []string{"0 ", "1 ", "2 "}; !slices.Equal(words, want) {
		t.Errorf("got %q, want %q", words, want)
	}
	cancel()
	wantKind(t, r.wait(t), chat.Canceled)
}
