package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

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

// busier is a hook after which the steps of other turns take all ways that steps have.
type busier struct {
	redis.Hook
	lane *gather
}

func (h busier) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h busier) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h busier) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || cmd.Name() != "evalsha" {
			return err
		}
		h.lane.mu.Lock()
		defer h.lane.mu.Unlock()
		h.lane.free = -1 // this step's own is given back yet
		return nil
	}
}

// However many turns' steps wait, what was claimed is returned before its lease ends: until then nobody renews that.
func TestHistoriesDoNotWaitForSteps(t *testing.T) {
	mr, ctx := miniredis.RunT(t), t.Context()
	s := open(t, Options{Addrs: []string{mr.Addr()}})
	for _, id := range []string{"m1", "m2"} {
		if _, err := s.Accept(ctx, say(id, "zhang"), conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	opt := conversation.ClaimOptions{Lease: time.Hour, HistoryTurns: 5}
	shards := []conversation.Shard{conversation.ShardOf(say("m1", "zhang").Conversation)}
	if err := s.rdb.ScriptLoad(ctx, s.scripts.claim.source).Err(); err != nil {
		t.Fatal(err)
	}
	s.rdb.AddHook(busier{lane: s.lanes("").turns})
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	claims, err := s.Claim(ctx, shards, "a", 1, opt)
	if err != nil || len(claims) != 1 {
		t.Errorf("%d claims, %v", len(claims), err)
	}
}
