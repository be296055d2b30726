package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// silent is a Redis that takes connections and never answers. It counts them.
func silent(t *testing.T) (addr string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
	})
	return l.Addr().String(), connections
}

// However many turns ask a Redis that is slow, there are ways left to those who cannot wait.
func TestTurnsLeaveWaysToAccept(t *testing.T) {
	addr, connections := silent(t)
	s, err := New(Options{Addrs: []string{addr}, Timeout: 20 * time.Second, Dial: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	steps := calls(s)
	reaches := func(want int64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); connections.Load() < want && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // one too many would come now
		if got := connections.Load(); got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
	}
	for _, name := range []string{"claim", "commit", "delivered", "release", "spend", "reserve", "settle"} {
		for range 10 {
			wg.Go(func() { _ = steps[name](ctx) })
		}
	}
	reaches(trips)
	for _, name := range []string{"accept", "renew"} {
		for range 10 {
			wg.Go(func() { _ = steps[name](ctx) })
		}
	}
	reaches(2 * trips)
}

// holdBack is a hook that keeps round trips until they may go, and counts them.
type holdBack struct {
	redis.Hook
	begun, commands atomic.Int64
	may             chan struct{}
}

func (h *holdBack) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *holdBack) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "getset" {
			return next(ctx, cmd) // of a new connection
		}
		h.begun.Add(1)
		h.commands.Add(1)
		<-h.may
		return next(ctx, cmd)
	}
}

func (h *holdBack) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.begun.Add(1)
		h.commands.Add(int64(len(cmds)))
		<-h.may
		return next(ctx, cmds)
	}
}

// Who asks while round trips are under way goes with the next one, and gets its own answer or its own error. Who leaves before has asked nothing.
func TestGather(t *testing.T) {
	mr := miniredis.RunT(t)
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	h := &holdBack{may: make(chan struct{})}
	s.rdb.AddHook(h)
	if _, err := mr.Push("list", "x"); err != nil {
		t.Fatal(err)
	}
	get := func(ctx context.Context, key string) (string, error) {
		a := &ask{key: key, cmd: redis.NewStringCmd(ctx, "getset", key, "was here")}
		s.send(ctx, "commit", a)
		if a.err != nil {
			return "", failure("commit", a.err)
		}
		return a.cmd.(*redis.StringCmd).Val(), nil
	}
	var wg sync.WaitGroup
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("in vain:", what)
			}
		}
	}
	const callers = 100
	for i := range callers {
		key := fmt.Sprint("k", i)
		if err := mr.Set(key, key); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if got, err := get(t.Context(), key); got != key || err != nil {
				t.Errorf("%s: got %q, %v", key, got, err)
			}
		})
	}
	lane := s.lanes("").turns
	waiting := func(n int) func() bool {
		return func() bool {
			lane.mu.Lock()
			defer lane.mu.Unlock()
			return len(lane.waiting) == n
		}
	}
	until("all but the first wait", waiting(callers-trips))
	wg.Go(func() {
		if _, err := get(t.Context(), "list"); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Errorf("what is of another type: %v", err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := get(ctx, "never asked")
		gone <- err
	}()
	until("two more wait", waiting(callers-trips+2))
	cancel()
	if e, ok := errors.AsType[*chat.Error](<-gone); !ok || e.Kind != chat.Canceled || e.Maybe {
		t.Errorf("who left: %v", e)
	}
	close(h.may)
	wg.Wait()
	if got := h.begun.Load(); got > 2*trips {
		t.Errorf("%d round trips", got)
	}
	if got := h.commands.Load(); got != callers+1 || mr.Exists("never asked") {
		t.Errorf("%d commands, want %d, and none of who left", got, callers+1)
	}
	until("all ways are free again", func() bool { lane.mu.Lock(); defer lane.mu.Unlock(); return lane.free == trips })
}
