package redisstore

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
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

// However many turns ask a Redis that is slow, half of the connections are left to those who cannot wait.
func TestTurnsLeaveConnectionsToAccept(t *testing.T) {
	addr, connections := silent(t)
	s, err := New(Options{Addrs: []string{addr}, PoolSize: 8, Timeout: 20 * time.Second})
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
	reaches(4)
	for _, name := range []string{"accept", "renew"} {
		wg.Go(func() { _ = steps[name](ctx) })
	}
	reaches(6)
}

// Whoever waits for others ends with its context, and has asked nothing.
func TestAWaitingTurnStepEndsWithItsContext(t *testing.T) {
	s := &Store{turns: make(chan struct{}, 1)}
	done, err := s.turnStep(t.Context(), "commit")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = s.Commit(ctx, conversation.Claim{Shard: conversation.ShardOf(downKey)}, conversation.Outcome{})
	if chat.KindOf(err) != chat.Timeout {
		t.Errorf("got %v", err)
	}
	done()
	if done, err = s.turnStep(t.Context(), "claim"); err != nil {
		t.Error("the place was not given back:", err)
	}
	done()
}
