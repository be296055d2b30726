package redisstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func TestFull(t *testing.T) {
	ctx := t.Context()
	addr := startRedis(t, "--maxmemory", "20mb")
	s := open(t, Options{Addrs: []string{addr}})
	before, err := s.Full(ctx)
	if err != nil || before <= 0 || before > .5 {
		t.Fatalf("empty: %v, %v", before, err)
	}
	for i := range 10 {
		if err := s.rdb.Set(ctx, fmt.Sprint("ballast", i), strings.Repeat("x", 1<<20), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if full, err := s.Full(ctx); err != nil || full < before+.4 || full > before+.7 {
		t.Errorf("with 10 of 20 MB more: %v, %v", full, err)
	}
	if err := s.rdb.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	full, err := s.Full(ctx)
	m, merr := s.Memory(ctx, false)
	if err != nil || merr != nil || full != 0 || !m.Unbounded || m.Fsync != "" {
		t.Errorf("without maxmemory: %v, %v, %+v, %v", full, err, m, merr)
	}
}

// When Redis is quite full, nothing more is taken in, and everything that was is answered: each step but accept works, whole.
func TestQuiteFull(t *testing.T) {
	addr := startRedis(t, "--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
	s, ctx := open(t, Options{Addrs: []string{addr}}), t.Context()
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 10}
	accept := func(id, user string) error {
		_, err := s.Accept(ctx, say(id, user), conversation.AcceptOptions{DedupeFor: time.Hour})
		return err
	}
	const people = 8
	for i := range people {
		for j := range 3 {
			if err := accept(fmt.Sprint(i, "-", j), fmt.Sprint("u", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	running, err := s.Claim(ctx, allShards("acme"), "a", 1, opt)
	if err != nil || len(running) == 0 {
		t.Fatal(running, err)
	}
	stuff(t, s)
	if err := accept("refused", "zhang"); err == nil || chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "OOM") {
		t.Fatalf("accept: %v, want it refused as out of memory", err)
	}

	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err = s.Renew(ctx, "a", allShards("acme"), time.Minute)
	must("renew", err)
	_, err = s.Reap(ctx, allShards("acme"))
	must("reap", err)
	r := conversation.Reservation{Tenant: "acme", User: "u", Turn: "t", Fence: 1, Tokens: 5, For: time.Minute, PerDay: 100}
	_, err = s.Reserve(ctx, r)
	must("reserve", err)
	must("settle", s.Settle(ctx, r, 5))
	must("spend", s.Spend(ctx, conversation.Claim{Shard: running[0].Shard, Fence: 1 << 20}, "u", []chat.Spend{{Provider: "p", Model: "m", Usage: chat.Usage{Input: 1}}}))
	must("release", s.Release(ctx, running[0]))
	must("feed", s.Append(ctx, running[0].Key, "1-1", []byte("x"), time.Hour))

	answered := map[string]int{}
	for deadline := time.Now().Add(time.Minute); ; {
		claims, err := s.Claim(ctx, allShards("acme"), "a", 1, opt)
		must("claim", err)
		claims, running = append(claims, running[min(1, len(running)):]...), nil
		if len(claims) == 0 || time.Now().After(deadline) {
			break
		}
		for _, c := range claims {
			for next := &c; next != nil; {
				c := *next
				_, err := s.Forget(ctx, c, "nobody")
				must("forget", err)
				n, err := s.Commit(ctx, c, conversation.Outcome{
					Turn: &chat.Turn{Question: "q", Answer: strings.Repeat("a", 1000)}, Parts: []chat.Part{chat.Part("one"), chat.Part("two")},
					Keep: conversation.Keep{Turns: 5, TTL: time.Hour}, Claim: opt, User: "u", Spent: []chat.Spend{{Provider: "p", Model: "m", Usage: chat.Usage{Input: 1}}},
				})
				must("commit", err)
				for part := range 2 {
					n, err = s.Delivered(ctx, c, part, opt)
					must("delivered", err)
				}
				answered[c.Key.ID]++
				next = n.Claim
			}
		}
	}
	if len(answered) != people {
		t.Errorf("%d people were answered, want %d", len(answered), people)
	}
	for who, n := range answered {
		if n != 3 {
			t.Errorf("%s was answered %d times, want 3", who, n)
		}
	}
	if st, err := s.Stats(ctx, "acme"); err != nil || st.Waiting+st.Running+st.Ready != 0 {
		t.Errorf("in the end: %+v, %v", st, err)
	}
	if err := s.rdb.Del(ctx, "ballast").Err(); err != nil {
		t.Fatal(err)
	}
	must("accept, with room again", accept("refused", "zhang")) // which a refused try has not marked as seen
	if st, err := s.Stats(ctx, "acme"); err != nil || st.Waiting != 1 {
		t.Errorf("accepted: %+v, %v", st, err)
	}
}

// When Redis is quite full, what channels need to bring a reply to its person works as well.
func TestChannelsInAFullRedis(t *testing.T) {
	addr := startRedis(t, "--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
	s, other, ctx := open(t, Options{Addrs: []string{addr}}), open(t, Options{Addrs: []string{addr}}), t.Context()
	stuff(t, s)
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	must("remember", s.Remember(ctx, "acme/a", "one", time.Minute))
	first, err := s.RememberFirst(ctx, "acme/b", "two", time.Minute)
	must("remember first", err)
	kept, err := other.Recall(ctx, "acme/a")
	if must("recall", err); first != "two" || kept != "one" {
		t.Errorf("kept %q and %q", kept, first)
	}
	unlock, ok, err := s.TryLock(ctx, "acme/lock", time.Minute)
	if must("lock", err); ok {
		unlock()
	}
	_, _, err = s.Take(ctx, "acme/api", everyTenth, 0)
	must("take", err)
	role, leave := context.WithTimeout(ctx, 20*time.Second)
	defer leave()
	led := false
	s.Lead(role, "acme/bot", func(context.Context) { led = true; leave() })
	if !led {
		t.Error("nobody gets a role")
	}
	serve(t, other, func(_ context.Context, p []byte) []byte { return p })
	got, err := s.Ask(ctx, relayTestKey, []byte("reply"), 20*time.Second)
	if must("ask", err); string(got) != "reply" {
		t.Errorf("answered %q", got)
	}
}

// stuff writes until Redis refuses, and a little more than what it takes to stay so.
func stuff(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	for i := 0; ; i++ {
		if err := s.rdb.Append(ctx, "ballast", strings.Repeat("x", 256<<10)).Err(); err != nil {
			if !strings.Contains(err.Error(), "OOM") {
				t.Fatal(err)
			}
			break
		}
		if i > 1000 {
			t.Fatal("Redis takes everything")
		}
	}
}
