package conversation_test

import (
	"regexp"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestEveryMessageHasATrace: also one that a channel fetched itself. One that came with its own keeps it.
func TestEveryMessageHasATrace(t *testing.T) {
	const own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w := newWorld(t)
	s := conversation.New(conversation.Options{Store: w.store, Directory: w, Owner: "o"})
	key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
	for trace, want := range map[string]string{"": "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", own: own} {
		key.ID += "x"
		if err := s.Accept(t.Context(), chat.Message{ID: key.ID, Conversation: key, User: "zhang", Kind: chat.KindText, Text: "hi", Trace: trace}); err != nil {
			t.Fatal(err)
		}
		got, err := w.store.Claim(t.Context(), []conversation.Shard{conversation.ShardOf(key)}, "o", 9, conversation.ClaimOptions{Lease: time.Minute})
		if err != nil || len(got) != 1 || !regexp.MustCompile(want).MatchString(got[0].Message.Trace) {
			t.Errorf("claimed %+v, %v; want the trace %s", got, err, want)
		}
	}
}
