package conversation_test

import (
	"context"
	"strings"
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

// TestNobodyIsShownAQueueThatTheyHaveLeft: neither while the model thinks nor when a text that was shown is void.
func TestNobodyIsShownAQueueThatTheyHaveLeft(t *testing.T) {
	for name, pieces := range map[string][]string{"while the model thinks": nil, "when a text is void": {"half an ans"}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.out.live = 100 * time.Millisecond
				m := &stages{busy: time.Now().Add(10 * time.Second), pieces: pieces}
				p := w.start(func(o *conversation.Options) { o.Live, o.Complete = w.store, m })
				read := func() string {
					t.Helper()
					l, _, err := w.store.ReadLive(t.Context(), chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"})
					if err != nil {
						t.Fatal(err)
					}
					return l.Text
				}
				read() // somebody reads
				w.say(p, "1", "one")
				settle(8 * time.Second)
				if got := read(); !strings.HasPrefix(got, "现在提问的人较多") {
					t.Errorf("in the queue %q is shown", got)
				}
				settle(8 * time.Second)
				if got := read(); got != "" {
					t.Errorf("at the model %q is shown", got)
				}
				settle(time.Minute)
				shown(t, w, "the answer")
			})
		})
	}
}

// stages refuses until busy; then it starts, shows pieces, starts anew, and thinks.
type stages struct {
	busy   time.Time
	pieces []string
}

func (m *stages) Complete(_ context.Context, _ chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	if time.Now().Before(m.busy) {
		return chat.Reply{}, keysBusy
	}
	start := chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "sim", Model: "m"}}
	emit(start)
	for _, p := range m.pieces {
		emit(chat.Event{Kind: chat.Delta, Text: p})
		time.Sleep(time.Second)
		emit(start)
	}
	time.Sleep(20 * time.Second)
	return chat.Reply{Start: start.Start, Text: "the answer", FinishReason: "stop"}, nil
}
