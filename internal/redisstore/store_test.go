package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/test/realdeps"
)

func say(id, user string) chat.Message {
	return chat.Message{ID: id, User: user, Kind: chat.KindText, Text: "hi", Conversation: chat.ConversationKey{Tenant: "acme", Channel: "app", ID: user}}
}

// The tenant's limit of waiting messages holds over all shards and all replicas, within what arrives in waitingAge.
func TestWaitingOverShards(t *testing.T) {
	mr := miniredis.RunT(t)
	ctx := context.Background()
	replicas := []*Store{open(t, Options{Addrs: []string{mr.Addr()}}), open(t, Options{Addrs: []string{mr.Addr()}})}
	const limit = 40
	shed := 0
	for i := range 100 {
		s := replicas[i%2]
		s.waitingOf("acme").read = time.Time{} // as if waitingAge had passed
		got, err := s.Accept(ctx, say(fmt.Sprint("m", i), fmt.Sprint("u", i)), conversation.AcceptOptions{DedupeFor: time.Hour, Waiting: limit})
		if err != nil {
			t.Fatal(err)
		}
		if got.Shed == conversation.ShedBusy {
			shed++
		}
	}
	// A reading comes with the accept before it, and each replica misses what the other has taken since.
	if taken := 100 - shed; taken < limit || taken > limit+6 {
		t.Errorf("%d messages taken over 16 shards, want %d or a few more", taken, limit)
	}
	// Another tenant's are not counted.
	m := say("m", "u")
	m.Conversation.Tenant = "other"
	if got, err := replicas[0].Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour, Waiting: 1}); err != nil || got.Shed != "" {
		t.Errorf("another tenant: %+v, %v", got, err)
	}
}

// ClaimEach and ReapEach are Claim and Reap of many shards.
func TestEach(t *testing.T) {
	h := miniHarness(t)
	s, ctx := h.Store.(*Store), t.Context()
	opt := conversation.ClaimOptions{Lease: time.Second}
	for i := range 64 {
		if _, err := s.Accept(ctx, say(fmt.Sprint("m", i), fmt.Sprint("u", i)), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	one, err := s.Claim(ctx, allShards("acme"), "a", 1, opt)
	if err != nil || len(one) < 12 || len(one) > 16 {
		t.Errorf("one of each shard: %d, %v", len(one), err)
	}
	rest, err := s.Claim(ctx, allShards("acme"), "a", 100, opt)
	if err != nil || len(one)+len(rest) != 64 {
		t.Errorf("%d and %d claimed, %v, want 64 in all", len(one), len(rest), err)
	}
	seen := map[string]bool{}
	for _, c := range append(one, rest...) {
		if seen[c.Key.ID] || c.Shard != conversation.ShardOf(c.Key) {
			t.Errorf("claimed %s in %v", c.Key.ID, c.Shard)
		}
		seen[c.Key.ID] = true
	}
	h.Advance(2 * time.Second)
	if n, err := s.Reap(ctx, allShards("acme")); err != nil || n != 64 {
		t.Errorf("reaped %d, %v, want 64", n, err)
	}
	if cs, err := s.Claim(ctx, nil, "a", 1, opt); err != nil || len(cs) != 0 {
		t.Errorf("of no shards: %v, %v", cs, err)
	}
}

// A document of a later format is refused, not misread.
func TestLaterFormat(t *testing.T) {
	for name, f := range map[string]func() error{
		"message":       func() error { _, err := decodeMessage(`{"v":2,"id":"x"}`); return err },
		"no version":    func() error { _, err := decodeMessage(`{"id":"x"}`); return err },
		"mailbox entry": func() error { _, err := decodeWaiting("2 1 1 - -\n{}"); return err },
		"short entry":   func() error { _, err := decodeWaiting("1 1 1 -\n{}"); return err },
		"empty entry":   func() error { _, err := decodeWaiting(""); return err },
		"turn":          func() error { _, err := decodeTurn("1 2 3\n" + `{"v":2}`); return err },
		"dead letter":   func() error { _, err := decodeDead("2 1 \"x\"\n"); return err },
		"reason":        func() error { _, err := decodeDead("1 1 x\n1 1 1 - -\n{\"v\":1}"); return err },
		"usage":         func() error { _, _, err := decodeUsage("00:u/p/m", "1 2 3 4"); return err },
		"usage field":   func() error { _, _, err := decodeUsage("000:u/p/m", "1 2 3 4 5"); return err },
		"usage user":    func() error { _, _, err := decodeUsage("00:%zz/p/m", "1 2 3 4 5"); return err },
		"usage model":   func() error { _, _, err := decodeUsage("00:u/p", "1 2 3 4 5"); return err },
		"claim":         func() error { _, err := decodeClaim(conversation.Shard{}, "a", []any{"x"}); return err },
	} {
		if err := f(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// An unreadable document of one conversation does not take the others with it.
func TestUnreadable(t *testing.T) {
	mr := miniredis.RunT(t)
	s, ctx := open(t, Options{Addrs: []string{mr.Addr()}}), t.Context()
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 10}
	bad, good := say("m1", "bad"), say("m2", "good")
	for i := 0; conversation.ShardOf(good.Conversation) != conversation.ShardOf(bad.Conversation); i++ {
		good.Conversation.ID = fmt.Sprint("good", i)
	}
	for _, m := range []chat.Message{bad, good} {
		if _, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	sh := conversation.ShardOf(bad.Conversation)
	p := prefix(sh)
	if _, err := mr.Lpop(p + "m:app:bad"); err != nil {
		t.Fatal(err)
	}
	if _, err := mr.Lpush(p+"m:app:bad", "1 1 1 - -\n{\"v\":9}"); err != nil {
		t.Fatal(err)
	}
	cs, err := s.Claim(ctx, []conversation.Shard{sh}, "a", 10, opt)
	strange, _ := errors.AsType[*conversation.Unreadable](err)
	if strange == nil || len(strange.Held) != 1 || strange.Held[0].Handle != "app:bad" || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("error %v, want it to name the conversation and the version", err)
	}
	if len(cs) != 1 || cs[0].Key != good.Conversation {
		t.Fatalf("claimed %+v, want the good one", cs)
	}
	// An unreadable memory is forgotten; the message is answered.
	if _, err := mr.Push(p+"h:"+cs[0].Handle, "1 1 1\n{\"v\":-9}", "1 1 2\n{\"v\":1,\"q\":\"q\",\"a\":\"a\"}"); err != nil {
		t.Fatal(err)
	}
	if err := mr.Set(p+"s:"+cs[0].Handle, "not json"); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(ctx, cs[0]); err != nil {
		t.Fatal(err)
	}
	cs, err = s.Claim(ctx, []conversation.Shard{sh}, "a", 10, opt)
	if err != nil || len(cs) != 1 || len(cs[0].History) != 1 || cs[0].History[0].Question != "q" || cs[0].State != (conversation.State{}) {
		t.Errorf("claimed %+v, %v, want the readable turn only", cs, err)
	}
}

// Stop notices arrive again after Redis was away.
func TestStopsSubscribeAgain(t *testing.T) {
	mr := miniredis.RunT(t)
	s, ctx := open(t, Options{Addrs: []string{mr.Addr()}, Timeout: 2 * time.Second}), t.Context()
	notices := s.Stops(ctx, "a", func() []string { return []string{"acme"} })
	mr.Close()
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	want := conversation.Held{Shard: conversation.Shard{Tenant: "acme", Index: 3}, Handle: "app:zhang", Fence: 7}
	for deadline := time.Now().Add(20 * time.Second); ; {
		mr.Publish(stopChannel("acme", "a"), "nonsense")
		mr.Publish(stopChannel("acme", "a"), "acme 3 app:zhang 7")
		select {
		case got := <-notices:
			if got != want {
				t.Errorf("notice %+v, want %+v", got, want)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("no notice")
		}
	}
}

// What was acknowledged is there after a kill -9 of Redis: the append-only file is written before the answer.
func TestSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--appendonly", "yes", "--appendfsync", "always", "--dir", dir}
	addr, kill := startRedisProcess(t, realdeps.Redis{Args: args})
	s, ctx := open(t, Options{Addrs: []string{addr}}), t.Context()
	opt := conversation.ClaimOptions{Lease: time.Minute, HistoryTurns: 10}
	o := conversation.Outcome{
		Turn: &chat.Turn{Question: "q", Answer: "a"}, Parts: []chat.Part{chat.Part("one"), chat.Part("two")},
		Keep: conversation.Keep{Turns: 5, TTL: time.Hour}, Claim: opt,
	}
	var c conversation.Claim
	for i := range 20 {
		if _, err := s.Accept(ctx, say(fmt.Sprint("m", i), "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	cs, err := s.Claim(ctx, []conversation.Shard{conversation.ShardOf(say("", "zhang").Conversation)}, "a", 1, opt)
	if err != nil || len(cs) != 1 {
		t.Fatalf("claim: %v, %v", cs, err)
	}
	c = cs[0]
	if _, err := s.Commit(ctx, c, o); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delivered(ctx, c, 0, opt); err != nil {
		t.Fatal(err)
	}
	kill()
	addr, _ = startRedisProcess(t, realdeps.Redis{Args: args})
	s = open(t, Options{Addrs: []string{addr}})
	if got, err := s.Accept(ctx, say("m0", "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil || !got.Duplicate {
		t.Errorf("a message accepted before the kill: %+v, %v, want a duplicate", got, err)
	}
	next, err := s.Delivered(ctx, c, 1, opt)
	if err != nil || next.Claim == nil || next.Claim.Message.ID != "m1" || next.Claim.Waits != 18 || len(next.Claim.History) != 1 {
		t.Errorf("the owner goes on: %+v, %v, want m1 with 18 behind it", next.Claim, err)
	}
}
