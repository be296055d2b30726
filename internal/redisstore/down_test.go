package redisstore

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/chat"
	"parley/internal/conversation"
)

var downKey = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}

var downReservation = conversation.Reservation{Tenant: "acme", User: "u", Turn: "t", Tokens: 1, For: time.Minute, PerDay: 1}

// calls is every call that reaches Redis.
func calls(s *Store) map[string]func(context.Context) error {
	sh := conversation.ShardOf(downKey)
	c := conversation.Claim{Shard: sh, Owner: "a", Handle: handle(downKey), Fence: 999}
	opt := conversation.ClaimOptions{Lease: time.Second}
	m := chat.Message{ID: "m", Conversation: downKey}
	return map[string]func(context.Context) error{
		"accept": func(ctx context.Context) error {
			_, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour, Waiting: 5, UserPerMinute: 5})
			return err
		},
		"claim everywhere": func(ctx context.Context) error {
			var shards []conversation.Shard
			for i := range conversation.Shards {
				shards = append(shards, conversation.Shard{Tenant: "acme", Index: i})
			}
			_, err := s.Claim(ctx, shards, "a", 1, conversation.ClaimOptions{Lease: time.Second})
			return err
		},
		"claim": func(ctx context.Context) error {
			_, err := s.Claim(ctx, []conversation.Shard{sh}, "a", 1, opt)
			return err
		},
		"renew": func(ctx context.Context) error {
			_, err := s.Renew(ctx, "a", allShards("acme"), time.Second)
			return err
		},
		"commit":       func(ctx context.Context) error { _, err := s.Commit(ctx, c, conversation.Outcome{}); return err },
		"delivered":    func(ctx context.Context) error { _, err := s.Delivered(ctx, c, 0, opt); return err },
		"release":      func(ctx context.Context) error { return s.Release(ctx, c) },
		"reap":         func(ctx context.Context) error { _, err := s.Reap(ctx, []conversation.Shard{sh}); return err },
		"owned":        func(ctx context.Context) error { _, err := s.Owned(ctx, sh, "a"); return err },
		"stats":        func(ctx context.Context) error { _, err := s.Stats(ctx, "acme"); return err },
		"dead letters": func(ctx context.Context) error { _, err := s.DeadLetters(ctx, "acme", 1); return err },
		"spend": func(ctx context.Context) error {
			return s.Spend(ctx, c, "u", []chat.Spend{{Provider: "p", Model: "m", Usage: chat.Usage{Input: 1}}})
		},
		"usage":    func(ctx context.Context) error { _, err := s.Usage(ctx, "acme", 1); return err },
		"reserve":  func(ctx context.Context) error { _, err := s.Reserve(ctx, downReservation); return err },
		"settle":   func(ctx context.Context) error { return s.Settle(ctx, downReservation, 1) },
		"budget":   func(ctx context.Context) error { _, err := s.Budget(ctx, "acme", "u", 1); return err },
		"recall":   func(ctx context.Context) error { _, err := s.Recall(ctx, "k"); return err },
		"remember": func(ctx context.Context) error { return s.Remember(ctx, "k", "canary-memo", time.Hour) },
		"remember first": func(ctx context.Context) error {
			_, err := s.RememberFirst(ctx, "k", "canary-memo", time.Hour)
			return err
		},
		"take": func(ctx context.Context) error {
			_, _, err := s.Take(ctx, "k", chat.Pace{Burst: 1, Every: time.Second}, time.Second)
			return err
		},
		"token": func(ctx context.Context) error { _, err := s.Token(ctx, "k"); return err },
		"set token": func(ctx context.Context) error {
			return s.SetToken(ctx, "k", chat.NewSecret("canary-token"), time.Hour)
		},
		"drop token":  func(ctx context.Context) error { return s.DropToken(ctx, "k", chat.NewSecret("canary-token")) },
		"lock":        func(ctx context.Context) error { _, _, err := s.TryLock(ctx, "k", time.Hour); return err },
		"read live":   func(ctx context.Context) error { _, _, err := s.ReadLive(ctx, downKey); return err },
		"write live":  func(ctx context.Context) error { _, err := s.Write(ctx, downKey, chat.Live{}); return err },
		"feed append": func(ctx context.Context) error { return s.Append(ctx, downKey, "1-1", []byte("x"), time.Hour) },
		"feed read":   func(ctx context.Context) error { _, err := s.Read(ctx, downKey, ""); return err },
		"ping":        s.Ping,
		"forget":      func(ctx context.Context) error { _, err := s.Forget(ctx, c, "u"); return err },
		"retry": func(ctx context.Context) error {
			_, err := s.Retry(ctx, []conversation.DeadID{{Shard: sh, Seq: 1}})
			return err
		},
		"drop": func(ctx context.Context) error {
			_, err := s.Drop(ctx, []conversation.DeadID{{Shard: sh, Seq: 1}})
			return err
		},
		"memory":     func(ctx context.Context) error { _, err := s.Memory(ctx, true); return err },
		"set client": func(ctx context.Context) error { return s.SetClient(ctx, "id", []byte("{}"), time.Hour) },
		"clients":    func(ctx context.Context) error { _, err := s.Clients(ctx); return err },
	}
}

// blackHole accepts connections and never says a word.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

// broken speaks, but no Redis.
func broken(t *testing.T) string {
	t.Helper()
	mr := miniredis.RunT(t)
	mr.SetError("LOADING Redis is loading the dataset in memory")
	return mr.Addr()
}

// A Redis that is away, silent or not ready never holds a caller for long, and the error says what to conclude. The bound is far
// above what is set, for busy machines.
func TestRedisDown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		addrs func(*testing.T) []string
		kinds []chat.Kind
		maybe bool
		code  string
	}{
		{"closed port", func(t *testing.T) []string { return []string{freeAddr(t)} }, []chat.Kind{chat.Unavailable}, false, ""},
		{"silent", func(t *testing.T) []string { return []string{blackHole(t)} }, []chat.Kind{chat.Timeout}, true, ""},
		{"loading", func(t *testing.T) []string { return []string{broken(t)} }, []chat.Kind{chat.Unavailable}, false, "LOADING"},
		{"cluster, closed", func(t *testing.T) []string { return []string{freeAddr(t), freeAddr(t)} }, []chat.Kind{chat.Unavailable, chat.Timeout}, false, ""},
		{"cluster, silent", func(t *testing.T) []string { return []string{blackHole(t), blackHole(t)} }, []chat.Kind{chat.Timeout, chat.Unavailable}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Addrs: tt.addrs(t), Dial: 20 * time.Second} // who answers, answers by himself
			if strings.Contains(tt.name, "silent") {
				o.Timeout = 100 * time.Millisecond
			}
			s := open(t, o)
			for name, call := range calls(s) {
				began := time.Now()
				err := call(context.Background())
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("%s took %v", name, took)
				}
				e, ok := errors.AsType[*chat.Error](err)
				if !ok || !slices.Contains(tt.kinds, e.Kind) {
					t.Errorf("%s: %v, want a *chat.Error of kind %v", name, err, tt.kinds)
					continue
				}
				if e.Code != tt.code || len(tt.kinds) == 1 && e.Maybe != tt.maybe {
					t.Errorf("%s: code %q maybe %v, want %q %v", name, e.Code, e.Maybe, tt.code, tt.maybe)
				}
			}
		})
	}
}

// With the settings as shipped, one call on a silent Redis ends well before a platform's patience does.
func TestShippedTimeouts(t *testing.T) {
	s, err := New(Options{Addrs: []string{blackHole(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	least := time.Hour // of some: the machine may have other work
	for range 5 {
		began := time.Now()
		if err := calls(s)["accept"](context.Background()); chat.KindOf(err) != chat.Timeout {
			t.Errorf("accept: %v, want a timeout", err)
		}
		if least = min(least, time.Since(began)); least < 1900*time.Millisecond {
			return
		}
	}
	t.Errorf("accept took %v", least)
}

// A caller's shorter deadline counts.
func TestCallersDeadline(t *testing.T) {
	s := open(t, Options{Addrs: []string{blackHole(t)}})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for name, call := range calls(s) {
		if err := call(ctx); chat.KindOf(err) != chat.Timeout {
			t.Errorf("%s: %v, want a timeout", name, err)
		}
	}
}

// The store works again as soon as Redis does, with its scripts gone.
func TestRedisComesBack(t *testing.T) {
	mr := miniredis.RunT(t)
	s := open(t, Options{Addrs: []string{mr.Addr()}, Timeout: 2 * time.Second})
	work := func(when string) {
		t.Helper()
		for name, call := range calls(s) {
			err := call(context.Background())
			if err != nil && !errors.Is(err, conversation.ErrFenced) {
				t.Errorf("%s: %s: %v", when, name, err)
			}
		}
	}
	work("at first")
	mr.Close()
	if err := s.Ping(context.Background()); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("ping while it is away: %v, want unavailable", err)
	}
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	mr.FlushAll()
	for deadline := time.Now().Add(20 * time.Second); s.Ping(context.Background()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("does not come back")
		}
	}
	work("when it is back")
}

// A real Redis forgets its scripts, one command of a pipeline at a time or all.
func TestScriptsAreLoadedAgain(t *testing.T) {
	s := open(t, Options{Addrs: []string{startRedis(t)}})
	for range 3 {
		for name, call := range calls(s) {
			if err := s.rdb.ScriptFlush(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			if err := call(context.Background()); err != nil && !errors.Is(err, conversation.ErrFenced) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
