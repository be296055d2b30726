package conversation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// window is a platform that drops repetitions for 30 minutes only. It shows the first part and loses the answer.
type window struct {
	*outlet
	last map[string]time.Time
}

func (o *window) Send(_ context.Context, _ chat.Message, p chat.Part) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if o.tries > 1 {
		if err := o.fail(o.tries); err != nil {
			return err
		}
	}
	if at, ok := o.last[string(p)]; !ok || time.Since(at) > 30*time.Minute {
		o.last[string(p)] = time.Now()
		o.shown = append(o.shown, string(p))
	}
	if o.tries == 1 {
		return &chat.Error{Kind: chat.Timeout, Op: "x", Maybe: true}
	}
	return nil
}

type windowWorld struct {
	*world
	o *window
}

func (w windowWorld) Outlet(_, _ string) (conversation.Outlet, bool) { return w.o, true }

// After an answer that was lost, the platform refuses everything for longer than it would notice a repetition.
func TestAPartIsNotSentAgainWhenItsRepetitionWouldBeSeen(t *testing.T) {
	for name, takeover := range map[string]bool{"by the same process": false, "by the next owner": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.out.resend = 25 * time.Minute
				began := time.Now()
				w.out.fail = func(int) error {
					if time.Since(began) < 35*time.Minute {
						return chat.E(chat.Unavailable, "x", nil)
					}
					return nil
				}
				d := windowWorld{w, &window{outlet: w.out, last: map[string]time.Time{}}}
				p := w.start(func(o *conversation.Options) { o.Directory = d })
				w.say(p, "1", "one")
				settle(20 * time.Minute)
				if takeover {
					p.stop()
					w.start(func(o *conversation.Options) { o.Directory = d })
				}
				settle(time.Hour)
				if n := len(w.out.texts()); n != 1 {
					t.Errorf("shown %d times", n)
				}
			})
		})
	}
}

type swapped struct {
	*world
	now *atomic.Pointer[outlet]
}

func (s swapped) Outlet(_, _ string) (conversation.Outlet, bool) { return s.now.Load(), true }

func TestAMendedSecretIsUsedByRepliesThatWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := swapped{w, &atomic.Pointer[outlet]{}}
		d.now.Store(&outlet{resend: time.Hour, fail: func(int) error { return chat.E(chat.Unauthenticated, "x", nil) }})
		p := w.start(func(o *conversation.Options) { o.Directory = d })
		w.say(p, "1", "one")
		settle(time.Minute)
		d.now.Store(w.out) // the document with the right secret is in force
		settle(2 * time.Minute)
		shown(t, w, "re: one (0)")
	})
}

// mixed is a platform that loses the answer to each part's first try, after it has shown it.
type mixed struct {
	*outlet
	tried map[string]bool
}

func (o *mixed) Send(_ context.Context, _ chat.Message, p chat.Part) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shown = append(o.shown, string(p))
	if !o.tried[string(p)] {
		o.tried[string(p)] = true
		return &chat.Error{Kind: chat.Timeout, Op: "x", Maybe: true}
	}
	return nil
}

func (o *mixed) Resendable(time.Duration) bool { return true }

// PartResendable knows a card, which a repetition rewrites.
func (o *mixed) PartResendable(p chat.Part, _ time.Duration) bool {
	return strings.Contains(string(p), "card")
}

type mixedWorld struct {
	*world
	o *mixed
}

func (w mixedWorld) Outlet(_, _ string) (conversation.Outlet, bool) { return w.o, true }

func TestOnlyPartsThatMayAreSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := mixedWorld{w, &mixed{outlet: w.out, tried: map[string]bool{}}}
		p := w.start(func(o *conversation.Options) { o.Directory = d })
		w.say(p, "1", "a card")
		w.say(p, "2", "a text")
		settle(time.Minute)
		all := strings.Join(w.out.texts(), "\n")
		if cards, texts := strings.Count(all, "a card"), strings.Count(all, "a text"); cards != 2 || texts != 1 {
			t.Errorf("the card was sent %d times, want 2; the text %d times, want once:\n%s", cards, texts, all)
		}
	})
}
