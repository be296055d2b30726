package memstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// A simulation of months must not grow: what has run out is forgotten as new messages come.
func TestSweep(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	s, ctx := New(func() time.Time { return now }), context.Background()
	opt := conversation.ClaimOptions{Lease: time.Minute}
	key := func(i int) chat.ConversationKey {
		return chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("u", i)}
	}
	work := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			m := chat.Message{ID: fmt.Sprint("m", i), Conversation: key(i), User: key(i).ID, Once: fmt.Sprint("once", i), OnceFor: time.Hour}
			got, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: 24 * time.Hour, UserPerMinute: 1})
			if err != nil || got.Seq == 0 {
				t.Fatalf("accept: %+v, %v", got, err)
			}
			cs, err := s.Claim(ctx, []conversation.Shard{got.Shard}, "a", 1, opt)
			if err != nil || len(cs) != 1 {
				t.Fatalf("claim: %v, %v", cs, err)
			}
			o := conversation.Outcome{Keep: conversation.Keep{Turns: 5, TTL: time.Hour}, Turn: &chat.Turn{Question: "q"}, Claim: opt}
			if _, err := s.Commit(ctx, cs[0], o); err != nil {
				t.Fatal(err)
			}
		}
	}
	const many = 3 * sweepEvery
	work(0, many)
	waits := key(0) // must survive every sweep
	if _, err := s.Accept(ctx, chat.Message{ID: "waits", Conversation: waits}, conversation.AcceptOptions{DedupeFor: time.Hour}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	sh := s.shards[conversation.ShardOf(waits)]
	for i := many; sh.swept != 0; i++ {
		if conversation.ShardOf(key(i)) == sh.id {
			now = now.Add(time.Minute)
			m := chat.Message{ID: fmt.Sprint("m", i), Conversation: waits}
			if _, err := s.Accept(ctx, m, conversation.AcceptOptions{DedupeFor: time.Minute}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(sh.convs) != 1 || len(sh.dedupe) > 1 || len(sh.once) != 0 || len(sh.rate) != 0 {
		t.Errorf("kept %d conversations, %d ids, %d once keys, %d rates; want only the one that waits", len(sh.convs), len(sh.dedupe), len(sh.once), len(sh.rate))
	}
	if sh.convs[handle(waits)] == nil || sh.waiting < 2 {
		t.Error("a waiting message is gone")
	}
}
