package redisstore

import (
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// A claim reads histories in a step of its own. Where that fails, the claim is not returned and its shard is named; the others are good. What was
// claimed and not returned is in the owner's books, and given back it cost no attempt.
func TestHistoryFails(t *testing.T) {
	mr, ctx := miniredis.RunT(t), t.Context()
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	fill(t, s)
	bad := conversation.Shard{Tenant: "acme", Index: 3}
	ready, err := s.rdb.ZRange(ctx, prefix(bad)+"ready", 0, 0).Result()
	if err != nil || len(ready) != 1 {
		t.Fatal(ready, err)
	}
	history := prefix(bad) + "h:" + ready[0]
	if err := mr.Set(history, "of another type"); err != nil {
		t.Fatal(err)
	}
	opt := conversation.ClaimOptions{Lease: time.Hour, HistoryTurns: 5}
	claims, err := s.Claim(ctx, allShards("acme"), "a", 10, opt)
	p, ok := errors.AsType[*conversation.PartError](err)
	if !ok || len(p.Shards) != 1 || p.Shards[0] != bad || chat.KindOf(err) != chat.Unavailable {
		t.Errorf("error %#v, want one that names shard %d", err, bad.Index)
	}
	if len(claims) != conversation.Shards-1 {
		t.Errorf("%d claims", len(claims))
	}
	held, err := s.Owned(ctx, bad, "a")
	if err != nil || len(held) != 1 {
		t.Fatalf("held %v, %v", held, err)
	}
	mr.Del(history)
	if err := s.Release(ctx, conversation.Claim{Shard: bad, Owner: "a", Handle: held[0].Handle, Fence: held[0].Fence}); err != nil {
		t.Fatal(err)
	}
	claims, err = s.Claim(ctx, []conversation.Shard{bad}, "b", 1, opt)
	if err != nil || len(claims) != 1 || claims[0].Attempt != 1 {
		t.Errorf("claimed again: %+v, %v", claims, err)
	}
}

// A step that goes on with the next message is repeated when only that one's history could not be read.
func TestHistoryOfTheNextMessageFails(t *testing.T) {
	mr, ctx := miniredis.RunT(t), t.Context()
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	first, second := say("m1", "zhang"), say("m2", "zhang")
	for _, m := range []chat.Message{first, second} {
		if _, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	opt := conversation.ClaimOptions{Lease: time.Hour, HistoryTurns: 5}
	sh := conversation.ShardOf(first.Conversation)
	claims, err := s.Claim(ctx, []conversation.Shard{sh}, "a", 1, opt)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	o := conversation.Outcome{
		Turn: &chat.Turn{Question: "q", Answer: "a", At: time.Now()}, Parts: []chat.Part{chat.Part("p")},
		Keep: conversation.Keep{Turns: 5, TTL: time.Hour}, Claim: opt,
	}
	if _, err := s.Commit(ctx, claims[0], o); err != nil {
		t.Fatal(err)
	}
	history := prefix(sh) + "h:" + claims[0].Handle
	entries, err := mr.List(history)
	if err != nil {
		t.Fatal(err)
	}
	mr.Del(history)
	if err := mr.Set(history, "of another type"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delivered(ctx, claims[0], 0, opt); chat.KindOf(err) != chat.Unavailable {
		t.Fatalf("error %v", err)
	}
	mr.Del(history)
	if _, err := mr.Push(history, entries...); err != nil {
		t.Fatal(err)
	}
	next, err := s.Delivered(ctx, claims[0], 0, opt)
	if err != nil || next.Claim == nil || next.Claim.Message.ID != "m2" || len(next.Claim.History) != 1 {
		t.Errorf("repeated: %+v, %v", next.Claim, err)
	}
}
