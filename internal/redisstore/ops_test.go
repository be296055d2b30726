package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation/storetest"
)

func TestClients(t *testing.T) {
	for name, open := range map[string]func(*testing.T) storetest.Harness{
		"miniredis": miniHarness,
		"redis":     func(t *testing.T) storetest.Harness { return realHarness(t, Options{Addrs: []string{startRedis(t)}}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			s, ctx := h.Store.(*Store), t.Context()
			want := func(when string, want map[string][]byte) {
				t.Helper()
				got, err := s.Clients(ctx)
				if d := cmp.Diff(want, got); err != nil || d != "" {
					t.Errorf("%s: %v (-want +got):\n%s", when, err, d)
				}
			}
			set := func(id, doc string, ttl time.Duration) {
				t.Helper()
				if err := s.SetClient(ctx, id, []byte(doc), ttl); err != nil {
					t.Fatal(err)
				}
			}
			want("at first", map[string][]byte{})
			set("a {}:\xff", "1", 10*time.Second)
			set("b", "2\x00", time.Minute)
			h.Advance(5 * time.Second)
			set("a {}:\xff", "3", 10*time.Second)
			want("both", map[string][]byte{"a {}:\xff": []byte("3"), "b": []byte("2\x00")})
			h.Advance(11 * time.Second)
			want("one is dead", map[string][]byte{"b": []byte("2\x00")})
			set("c", "4", 10*time.Second)
			want("a short-lived one does not shorten others", map[string][]byte{"b": []byte("2\x00"), "c": []byte("4")})
			h.Advance(11 * time.Second)
			want("nor outlive its time", map[string][]byte{"b": []byte("2\x00")})
			for key, ttl := range h.Keys() {
				if ttl < 0 {
					t.Errorf("%q is kept for ever", key)
				}
			}
			h.Advance(time.Hour)
			want("all are dead", map[string][]byte{})
			if len(h.Keys()) != 0 {
				t.Errorf("left: %v", h.Keys())
			}
			if err := s.SetClient(ctx, "a", nil, 0); chat.KindOf(err) != chat.Invalid {
				t.Errorf("for ever: %v, want invalid", err)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	ctx := context.Background()
	addr := startRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := open(t, Options{Addrs: []string{addr}})
	m, err := s.Memory(ctx, true)
	if err != nil || m.Used < 100_000 || m.Max != 100<<20 || m.Policy != "allkeys-lru" || m.AOF || m.Unbounded || m.Fsync != "everysec" {
		t.Errorf("memory: %+v, %v", m, err)
	}
	if err := s.rdb.ConfigSet(ctx, "appendonly", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Memory(ctx, true); err != nil || !m.AOF {
		t.Errorf("memory with an append-only file: %+v, %v", m, err)
	}
}
