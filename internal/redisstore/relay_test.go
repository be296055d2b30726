package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

const relayTestKey = "acme/wecombot/bot"

// eachRedis runs a test on the embedded Redis, a real one and a cluster.
func eachRedis(t *testing.T, test func(t *testing.T, replica func(*testing.T) *Store)) {
	for name, addrs := range map[string]func(*testing.T) []string{
		"miniredis": func(t *testing.T) []string {
			return []string{miniHarness(t).Store.(*Store).rdb.(*redis.Client).Options().Addr}
		},
		"redis":   func(t *testing.T) []string { return []string{startRedis(t)} },
		"cluster": startCluster,
	} {
		t.Run(name, func(t *testing.T) {
			a := addrs(t)
			test(t, func(t *testing.T) *Store { return open(t, Options{Addrs: a, Timeout: 5 * time.Second}) })
		})
	}
}

func serve(t *testing.T, s *Store, f func(context.Context, []byte) []byte) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ctx, relayTestKey, f)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func TestRelay(t *testing.T) {
	eachRedis(t, func(t *testing.T, replica func(*testing.T) *Store) {
		holder, others := replica(t), []*Store{replica(t), replica(t)}
		serve(t, holder, func(_ context.Context, p []byte) []byte { return append([]byte("answer to "), p...) })
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				ask := fmt.Sprint("ask ", i, "\n\x00\xff")
				got, err := others[i%2].Ask(t.Context(), relayTestKey, []byte(ask), time.Minute)
				if err != nil || string(got) != "answer to "+ask {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		wg.Wait()
	})
}

// TestRelayNobody: what nobody takes is taken back, and is not carried out when somebody comes.
func TestRelayNobody(t *testing.T) {
	eachRedis(t, func(t *testing.T, replica func(*testing.T) *Store) {
		asker, holder := replica(t), replica(t)
		for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
			"time is over": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
			"caller left": func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 3*time.Second)
			},
		} {
			ctx, cancel := ctx()
			within := time.Minute
			if name == "time is over" {
				within = 100 * time.Millisecond
			}
			_, err := asker.Ask(ctx, relayTestKey, []byte(name), within)
			cancel()
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Maybe || !e.Kind.Retryable() && e.Kind != chat.Canceled {
				t.Errorf("%s: %+v", name, err)
			}
		}
		served := make(chan string, 10)
		serve(t, holder, func(_ context.Context, p []byte) []byte { served <- string(p); return nil })
		if _, err := asker.Ask(t.Context(), relayTestKey, []byte("now"), time.Minute); err != nil {
			t.Error(err)
		}
		if first := <-served; first != "now" || len(served) > 0 {
			t.Errorf("carried out %q", first)
		}
	})
}

// TestRelayStale: a request whose time is over by Redis's clock is not begun, although it is still in the list.
func TestRelayStale(t *testing.T) {
	eachRedis(t, func(t *testing.T, replica func(*testing.T) *Store) {
		s := replica(t)
		now, err := s.run(t.Context(), "relay_now", s.scripts.relayNow, relayKey(relayTestKey))
		if err != nil {
			t.Fatal(err)
		}
		stale := fmt.Sprintf("1 %d someone id\nstale", number(now)-1)
		for _, entry := range []string{stale, "", "1 x y z\np", "2 what a later release asks\np", "1 " + stale} {
			if err := s.rdb.RPush(t.Context(), relayKey(relayTestKey), entry).Err(); err != nil {
				t.Fatal(err)
			}
		}
		var carried atomic.Int64
		serve(t, s, func(_ context.Context, p []byte) []byte { carried.Add(1); return p })
		if got, err := s.Ask(t.Context(), relayTestKey, []byte("fresh"), time.Minute); err != nil || string(got) != "fresh" {
			t.Errorf("%q, %v", got, err)
		}
		if n := carried.Load(); n != 1 {
			t.Errorf("%d requests carried out, want 1", n)
		}
	})
}

// TestRelaySilent: who took a request and does not answer leaves its fate open.
func TestRelaySilent(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	s.timeout = 200 * time.Millisecond
	stuck := make(chan struct{})
	serve(t, s, func(ctx context.Context, _ []byte) []byte {
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > 300*time.Millisecond {
			t.Errorf("may take until %v, %v", d, ok)
		}
		<-stuck
		return nil
	})
	_, err := s.Ask(t.Context(), relayTestKey, []byte("x"), 300*time.Millisecond)
	if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.Timeout || !e.Maybe {
		t.Errorf("%+v", err)
	}
	close(stuck)
}

// TestRelayHandover: what comes while one holder leaves and the next begins is answered by either.
func TestRelayHandover(t *testing.T) {
	eachRedis(t, func(t *testing.T, replica func(*testing.T) *Store) {
		asker := replica(t)
		echo := func(_ context.Context, p []byte) []byte { return p }
		var wg sync.WaitGroup
		stop := serve(t, replica(t), echo)
		for i := range 30 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				ask := fmt.Sprint(i)
				if got, err := asker.Ask(t.Context(), relayTestKey, []byte(ask), time.Minute); err != nil || string(got) != ask {
					t.Errorf("%s: %q, %v", ask, got, err)
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		stop()
		serve(t, replica(t), echo)
		wg.Wait()
	})
}

// TestRelayPushShortensNothing: who leaves puts back what it took last, and what others wait for lives on; they would believe that it was taken.
func TestRelayPushShortensNothing(t *testing.T) {
	h := miniHarness(t)
	s := h.Store.(*Store)
	list := relayKey(relayTestKey)
	if _, err := s.run(t.Context(), "relay_ask", s.scripts.relayAsk, list, millis(5*time.Minute), relayMax, "w", "i", "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(t.Context(), "relay_push", s.scripts.relayPush, list, millis(relayAnswers), "entry"); err != nil {
		t.Fatal(err)
	}
	if ttl := h.Keys()[list]; ttl < 5*time.Minute {
		t.Errorf("what is asked for 5 min is kept for %v", ttl)
	}
}

func TestRelayBounds(t *testing.T) {
	h := miniHarness(t)
	s := h.Store.(*Store)
	for name, ask := range map[string]func() error{
		"too large": func() error {
			_, err := s.Ask(t.Context(), relayTestKey, make([]byte, maxMemo+1), time.Minute)
			return err
		},
		"no time": func() error { _, err := s.Ask(t.Context(), relayTestKey, nil, 0); return err },
	} {
		if err := ask(); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	for range relayMax {
		if v, err := s.run(t.Context(), "relay_ask", s.scripts.relayAsk, relayKey(relayTestKey), millis(time.Minute), relayMax, "w", "i", "p"); err != nil || text(v) == "" {
			t.Fatal(v, err)
		}
	}
	if _, err := s.Ask(t.Context(), relayTestKey, nil, time.Minute); chat.KindOf(err) != chat.Overloaded {
		t.Errorf("one more than may wait: %v", err)
	}
	for key, ttl := range h.Keys() {
		if ttl <= 0 || !strings.HasPrefix(key, "parley:1:relay:acme%2Fwecombot%2Fbot") {
			t.Errorf("%s is kept for %v", key, ttl)
		}
	}
}
