package conversation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestLiveTextSaysWhenItEnds: a reader on another replica learns from the live text alone that the reply is on its way.
func TestLiveTextSaysWhenItEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay, w.llm.chunk, w.out.live = 2*time.Second, "half an ans", 100*time.Millisecond
		p := w.start(func(o *conversation.Options) { o.Live = w.store })
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
		read := func() chat.Live {
			t.Helper()
			l, _, err := w.store.ReadLive(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		read() // somebody reads
		w.say(p, "1", "one")
		settle(time.Second)
		if diff := cmp.Diff(chat.Live{Message: "1", Rev: 1, Text: "half an ans"}, read()); diff != "" {
			t.Errorf("while it runs (-want +got):\n%s", diff)
		}
		settle(2 * time.Second)
		if diff := cmp.Diff(chat.Live{Message: "1", Rev: 2, Text: "half an ans", Done: true}, read()); diff != "" {
			t.Errorf("when it has ended (-want +got):\n%s", diff)
		}
	})
}

// TestNothingLiveFollowsTheReply: with a gap longer than the answer, the last text must not come after the parts that replace it.
func TestNothingLiveFollowsTheReply(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay, w.llm.chunk, w.out.live = 300*time.Millisecond, "half an ans", 10*time.Second
		p := w.start(func(o *conversation.Options) { o.Live = w.store })
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
		if _, _, err := w.store.ReadLive(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		w.say(p, "1", "one")
		settle(time.Second)
		shown(t, w, "re: one (0)")
		if l, _, err := w.store.ReadLive(t.Context(), key); err != nil || !l.Done {
			t.Errorf("live %+v, %v after the reply, want it done", l, err)
		}
	})
}
