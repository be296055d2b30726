package conversation_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// TestPartialTextIsShown: the newest text, not more often than the outlet says, and nothing once the reply is on its way.
func TestPartialTextIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		out := w.cards(time.Second)
		var written liveWrites
		p := w.start(func(o *conversation.Options) {
			o.Complete, o.Live = &talker{pieces: 10, every: 290 * time.Millisecond}, &written
		})
		w.say(p, "1", "one")
		settle(time.Minute)
		if n := written.n.Load(); n != 0 {
			t.Errorf("%d times the live text was written, which nobody reads", n)
		}
		want := []string{"0s 1 ", "1s 1 2 3 4 ", "2s 1 2 3 4 5 6 7 ", "3s sent"}
		if diff := cmp.Diff(want, out.log()); diff != "" {
			t.Errorf("shown and when (-want +got):\n%s", diff)
		}
	})
}

// TestTheReplyFollowsTheLastUpdate: one under way when the answer ends has returned, or was given up, before the first part is sent.
func TestTheReplyFollowsTheLastUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		slow time.Duration // each update
		want []string
	}{
		"one that takes a while": {1500 * time.Millisecond, []string{"2s 1 ", "4s 1 2 3 4 5 6 7 ", "4s sent"}},
		"one that hangs":         {time.Hour, []string{"5s failed", "5s sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				out := w.cards(500 * time.Millisecond)
				out.show = func(ctx context.Context, _ string) error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(tc.slow):
						return nil
					}
				}
				p := w.start(func(o *conversation.Options) { o.Complete = &talker{pieces: 10, every: 300 * time.Millisecond} })
				w.say(p, "1", "one")
				settle(time.Minute)
				if diff := cmp.Diff(tc.want, out.log()); diff != "" {
					t.Errorf("shown and when (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestUpdatesThatFailComeLessOften, and the final text comes however they fail.
func TestUpdatesThatFailComeLessOften(t *testing.T) {
	limited := chat.E(chat.RateLimited, "test.show", nil)
	limited.RetryAfter = 8 * time.Second
	for name, tc := range map[string]struct {
		show func(try int) error
		want []int // the seconds of tries
	}{
		"each fails":              {func(int) error { return chat.E(chat.Unavailable, "test.show", nil) }, []int{0, 2, 6, 11, 16, 21, 26}},
		"the platform says when":  {func(int) error { return limited }, []int{0, 8, 16, 24}},
		"two fail, then it works": {func(try int) error { return failIf(try < 3) }, []int{0, 2, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				out := w.cards(time.Second)
				var tries []int
				began := time.Now()
				out.show = func(context.Context, string) error {
					tries = append(tries, int(time.Since(began).Seconds()))
					return tc.show(len(tries))
				}
				p := w.start(func(o *conversation.Options) { o.Complete = &talker{pieces: 100, every: 295 * time.Millisecond} })
				w.say(p, "1", "one")
				settle(time.Minute)
				if diff := cmp.Diff(tc.want, tries); diff != "" {
					t.Errorf("tries (-want +got):\n%s", diff)
				}
				shown(t, w, "the answer")
			})
		})
	}
}

func failIf(fails bool) error {
	if fails {
		return chat.E(chat.Unavailable, "test.show", nil)
	}
	return nil
}

// TestWhatWasNotShownIsShownLater, also if the model says no more meanwhile.
func TestWhatWasNotShownIsShownLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.chunk, w.llm.delay = "half", 20*time.Second
		out := w.cards(time.Second)
		tries := 0
		out.show = func(context.Context, string) error { tries++; return failIf(tries == 1) }
		p := w.start()
		w.say(p, "1", "one")
		settle(time.Minute)
		if diff := cmp.Diff([]string{"0s failed", "2s half", "20s sent"}, out.log()); diff != "" {
			t.Errorf("shown and when (-want +got):\n%s", diff)
		}
	})
}

// TestACardSaysThatOneWaits only after some seconds, and not any more while the model thinks.
func TestACardSaysThatOneWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		busy time.Duration
		want []string
	}{
		"a moment": {1500 * time.Millisecond, []string{"sent"}},
		"long":     {10 * time.Second, []string{"现在提问的人较多", "…", "sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				out := w.cards(time.Second)
				p := w.start(func(o *conversation.Options) { o.Complete = &stages{busy: time.Now().Add(tc.busy)} })
				w.say(p, "1", "one")
				settle(2 * time.Minute)
				var got []string
				for _, line := range out.log() {
					_, text, _ := strings.Cut(line, " ")
					text, _, _ = strings.Cut(text, "，")
					if len(got) == 0 || got[len(got)-1] != text {
						got = append(got, text)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("shown (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// cards makes w's outlet one that shows partial text.
func (w *world) cards(gap time.Duration) *cards {
	w.out.live = gap
	c := &cards{outlet: w.out, began: time.Now()}
	w.way = c
	return c
}

// cards notes what was shown and when.
type cards struct {
	*outlet
	show  func(ctx context.Context, text string) error
	began time.Time
	mu    sync.Mutex
	lines []string
}

func (c *cards) Show(ctx context.Context, m chat.Message, text string) error {
	if m.ID == "" || m.Conversation.ID == "" {
		panic("not the message that is answered")
	}
	var err error
	if c.show != nil {
		err = c.show(ctx, text)
	}
	if err != nil {
		text = "failed"
	}
	c.note(text)
	return err
}

func (c *cards) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	c.note("sent")
	return c.outlet.Send(ctx, m, p)
}

func (c *cards) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, fmt.Sprintf("%.0fs %s", time.Since(c.began).Seconds(), text))
}

func (c *cards) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines
}

// talker says 1, 2, 3, …, each a time after the one before.
type talker struct {
	pieces int
	every  time.Duration
}

func (m *talker) Complete(_ context.Context, _ chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	start := chat.Start{Provider: "sim", Model: "m"}
	emit(chat.Event{Kind: chat.Started, Start: start})
	for i := range m.pieces {
		emit(chat.Event{Kind: chat.Delta, Text: fmt.Sprint(i+1, " ")})
		time.Sleep(m.every)
	}
	return chat.Reply{Start: start, Text: "the answer", FinishReason: "stop"}, nil
}

// liveWrites counts what is written for readers who come.
type liveWrites struct{ n atomic.Int64 }

func (l *liveWrites) Write(context.Context, chat.ConversationKey, chat.Live) (bool, error) {
	l.n.Add(1)
	return false, nil
}
