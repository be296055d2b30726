package conversation_test

import (
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestNoTraceWhereNobodyTraces: a message's trace is its callback's own; without a tracer none is stored.
func TestNoTraceWhereNobodyTraces(t *testing.T) {
	w := newWorld(t)
	s := conversation.New(conversation.Options{Store: w.store, Directory: w, Owner: "o"})
	key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
	if err := s.Accept(t.Context(), chat.Message{ID: "1", Conversation: key, User: "zhang", Kind: chat.KindText, Text: "hi", Trace: "a stranger's"}); err != nil {
		t.Fatal(err)
	}
	got, err := w.store.Claim(t.Context(), []conversation.Shard{conversation.ShardOf(key)}, "o", 9, conversation.ClaimOptions{Lease: time.Minute})
	if err != nil || len(got) != 1 || got[0].Message.Trace != "" {
		t.Errorf("claimed %+v, %v", got, err)
	}
}
