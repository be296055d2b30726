package privacy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/rig"
)

// stage is a company with one client service and one server.
type stage struct {
	*testing.T
	rig     *rig.Rig
	company rig.Company
	model   *rig.Model
	client  *rig.Node
	redis   *redis.Client
}

func newStage(ctx context.Context, t *testing.T) *stage {
	t.Helper()
	rig.Need(t)
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, rig: r, redis: redis.NewClient(&redis.Options{Addr: r.Redis.Addr})}
	t.Cleanup(func() { _ = s.redis.Close() })
	s.company, err = r.NewCompany(ctx, nil, -1)
	s.must(err)
	s.model, err = r.StartModel(ctx, llm.Pace{Chunks: 4, Between: 5 * time.Millisecond})
	s.must(err)
	_, err = r.StartServer(ctx, "server", s.model.Origin, "")
	s.must(err)
	s.client, err = r.StartClient(ctx, "client", s.company, "")
	s.must(err)
	s.must(s.company.Entry(s.client.Addr))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) post(ctx context.Context, user, text string) {
	s.Helper()
	_, err := s.company.Sim.Say(ctx, s.company.App.Ref, user, text)
	s.must(err)
}

// await gives what a person was shown, once that is n messages.
func (s *stage) await(ctx context.Context, user string, n int) []wecom.Sent {
	s.Helper()
	shown, err := s.company.Sim.Await(ctx, s.company.App.Ref, user, n)
	if err != nil {
		s.Fatalf("%s was shown %d of %d: %v: %+v", user, len(shown), n, err, shown)
	}
	return shown
}

func (s *stage) say(ctx context.Context, user, text string, n int) wecom.Sent {
	s.Helper()
	s.post(ctx, user, text)
	return s.await(ctx, user, n)[n-1]
}

// parley runs a command with the client's configuration.
func (s *stage) parley(ctx context.Context, args ...string) (string, error) {
	return s.rig.Parley(ctx, nil, append(args, "--config", filepath.Join(s.rig.Dir, "client.yaml"))...)
}

// eventually polls until probe says nothing more.
func (s *stage) eventually(ctx context.Context, what string, probe func() string) {
	s.Helper()
	for {
		missing := probe()
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s: %s", what, missing)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// asked waits until the model has n calls under way.
func (s *stage) asked(ctx context.Context, n int) {
	s.Helper()
	s.eventually(ctx, fmt.Sprintf("%d calls of the model", n), func() string {
		st, err := s.model.Stats(ctx)
		if err == nil && st.Running == n {
			return ""
		}
		return fmt.Sprintf("%+v, %v", st, err)
	})
}

// stored is everything in Redis: by key, the value as one text.
func (s *stage) stored(ctx context.Context) map[string]string {
	s.Helper()
	out := map[string]string{}
	for it := s.redis.Scan(ctx, 0, "*", 1000).Iterator(); it.Next(ctx); {
		key := it.Val()
		var v any
		var err error
		switch kind := s.redis.Type(ctx, key).Val(); kind {
		case "string":
			v, err = s.redis.Get(ctx, key).Result()
		case "list":
			v, err = s.redis.LRange(ctx, key, 0, -1).Result()
		case "hash":
			v, err = s.redis.HGetAll(ctx, key).Result()
		case "zset":
			v, err = s.redis.ZRange(ctx, key, 0, -1).Result()
		case "stream":
			v, err = s.redis.XRange(ctx, key, "-", "+").Result()
		case "none": // it has just ended
			continue
		default:
			s.Fatalf("%s is a %s, which this test cannot read", key, kind)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			s.Fatal(err)
		}
		out[key] = fmt.Sprint(v)
	}
	return out
}

// kind is what a key is kept for, as internal/redisstore/lua/common.lua lists it: h, m, d, …
func kind(key string) string {
	_, rest, _ := strings.Cut(key, "}:")
	k, _, _ := strings.Cut(rest, ":")
	return k
}

// endless lists the keys that have no time to live and are none of those that need none: counters, names of processes, the version
// of what is stored.
func (s *stage) endless(ctx context.Context) (out []string) {
	s.Helper()
	for key := range s.stored(ctx) {
		ttl, err := s.redis.PTTL(ctx, key).Result()
		s.must(err)
		if k := kind(key); ttl == -1 && k != "n" && k != "owners" && key != "parley:format" {
			out = append(out, key)
		}
	}
	return out
}
