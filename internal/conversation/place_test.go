package conversation_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

var (
	keysBusy = &chat.Error{Kind: chat.Overloaded, Op: "test", Code: chat.CodeKeysBusy, RetryAfter: time.Second}
	noServer = &chat.Error{Kind: chat.Unavailable, Op: "test", Code: chat.CodeNoInstance}
	full     = &chat.Error{Kind: chat.Overloaded, Op: "test", Code: chat.CodeInstance}
	dead     = &chat.Error{Kind: chat.Unavailable, Op: "test", Code: chat.CodeInstance}
)

// until makes the model refuse everybody for d.
func (w *world) until(d time.Duration, err *chat.Error) {
	open := time.Now().Add(d)
	w.llm.delay, w.llm.quiet = 10*time.Millisecond, true
	w.llm.fail = func(int) error {
		if time.Now().Before(open) {
			return err
		}
		return nil
	}
}

const (
	late = "抱歉，这条消息等待太久，没有处理。如果仍需要，请再发一次。"
	slow = "抱歉，模型没有在规定时间内答完，请稍后再试。"
)

func TestAMessageWaitsForAFreePlace(t *testing.T) {
	for name, c := range map[string]struct {
		busy    time.Duration
		err     *chat.Error
		maxWait time.Duration
		after   time.Duration // the answer stands by then
		want    string        // a prefix
	}{
		"keys for a moment":                    {5 * time.Second, keysBusy, 5 * time.Minute, 12 * time.Second, "re: one (0)"},
		"keys for longer than a turn":          {4 * time.Minute, keysBusy, 5 * time.Minute, 246 * time.Second, "（刚才提问的人较多，这条消息排队等了约 2"},
		"keys for longer than max_wait":        {6 * time.Minute, keysBusy, 5 * time.Minute, 301 * time.Second, late},
		"servers for longer than a turn":       {4 * time.Minute, noServer, 5 * time.Minute, 246 * time.Second, "（刚才"},
		"servers for longer than max_wait":     {6 * time.Minute, noServer, 5 * time.Minute, 301 * time.Second, late},
		"a full server for longer than a turn": {4 * time.Minute, full, 5 * time.Minute, 246 * time.Second, "（刚才"},
		"a short max_wait":                     {time.Minute, full, 20 * time.Second, 21 * time.Second, late},
		"no max_wait: the turn's time":         {time.Hour, keysBusy, 0, 181 * time.Second, late},
		"no max_wait, within the turn's time":  {2 * time.Minute, keysBusy, 0, 126 * time.Second, "（刚才"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.MaxWait = c.maxWait
				w.until(c.busy, c.err)
				p := w.start()
				w.say(p, "1", "one")
				settle(min(c.busy, c.after-2*time.Second) - time.Second)
				shown(t, w)
				settle(c.after)
				if got := w.out.texts(); len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
					t.Errorf("shown %q, want one text that begins with %q", got, c.want)
				}
				for i, call := range w.llm.calls {
					if call.Attempt != 1 {
						t.Fatalf("call %d was attempt %d: waiting is none", i, call.Attempt)
					}
				}
				if n, most := w.llm.asked(), 20+int(c.after/time.Second); n > most {
					t.Errorf("servers were asked %d times in %v", n, c.after)
				}
			})
		})
	}
}

// RetryAfter says when to come back; the last look is at max_wait itself.
func TestALongRetryAfterIsObeyedWithinMaxWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(4*time.Minute+50*time.Second, &chat.Error{Kind: chat.Overloaded, Op: "x", Code: chat.CodeKeysBusy, RetryAfter: 2 * time.Minute})
		p := w.start()
		w.say(p, "1", "one")
		settle(6 * time.Minute)
		if got := w.out.texts(); len(got) != 1 || !strings.HasSuffix(got[0], "\n\nre: one (0)") {
			t.Errorf("shown %q", got)
		}
		if n := w.llm.asked(); n < 3 || n > 4 {
			t.Errorf("asked %d times in five minutes, want one in two minutes and one at the end", n)
		}
	})
}

// The time that a message waits is not the turn's: each stretch of trying has its own, and failures of instances before count no more.
func TestWaitingTakesNothingFromTheTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.MaxWait = time.Hour
		w.llm.delay = 0
		errs := []error{dead, dead, dead, full, dead, dead, dead, dead, dead, keysBusy, noServer, dead}
		w.llm.fail = func(n int) error {
			switch {
			case n <= len(errs):
				return errs[n-1]
			case n == len(errs)+1:
				w.llm.delay = 170 * time.Second
				return keysBusy
			}
			return nil
		}
		p := w.start()
		w.say(p, "1", "one")
		settle(4 * time.Minute)
		shown(t, w, "re: one (0)")
		if last := w.llm.calls[len(w.llm.calls)-1]; last.Attempt != 10 {
			t.Errorf("attempt %d after 9 dead instances, want 10", last.Attempt)
		}
		w.llm.delay, w.llm.fail = 3*time.Minute+time.Second, nil
		w.say(p, "2", "two")
		settle(4 * time.Minute)
		shown(t, w, "re: one (0)", slow)
	})
}

func TestWaitingIsToldInTheReplyWhereNothingLiveIs(t *testing.T) {
	for name, c := range map[string]struct {
		busy time.Duration
		lang string
		want string
	}{
		"a moment":   {25 * time.Second, "zh", "re: one (0)"},
		"long":       {42 * time.Second, "zh", "（刚才提问的人较多，这条消息排队等了约 4"},
		"in English": {42 * time.Second, "en", "(Many people were asking; this message waited about 4"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Language = c.lang
				w.until(c.busy, keysBusy)
				p := w.start()
				w.say(p, "1", "one")
				settle(time.Minute)
				got := w.out.texts()
				if len(got) != 1 || !strings.HasPrefix(got[0], c.want) || !strings.HasSuffix(got[0], "re: one (0)") {
					t.Fatalf("shown %q, want one reply that begins with %q", got, c.want)
				}
				w.say(p, "2", "two")
				settle(10 * time.Second)
				if h := w.llm.calls[w.llm.asked()-1].History; len(h) != 1 || h[0].Answer != "re: one (0)" {
					t.Errorf("history %+v: the note is no part of the answer", h)
				}
			})
		})
	}
}

func TestWaitingIsToldLive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.out.live = 100 * time.Millisecond
		w.until(40*time.Second, noServer)
		p := w.start(func(o *conversation.Options) { o.Live = w.store })
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
		read := func(want string) {
			t.Helper()
			l, _, err := w.store.ReadLive(t.Context(), key)
			if err != nil || !strings.HasPrefix(l.Text, want) || (want == "") != (l.Text == "") {
				t.Errorf("live %+v, %v, want %q", l, err, want)
			}
		}
		read("")
		w.say(p, "1", "one")
		settle(50 * time.Millisecond)
		read("") // a moment is not worth a word
		settle(5 * time.Second)
		read("现在提问的人较多，正在排队")
		settle(5 * time.Second)
		read("现在提问的人较多，正在排队")
		w.llm.mu.Lock()
		w.llm.chunk, w.llm.delay, w.llm.fail = "half an ans", 10*time.Second, nil
		w.llm.mu.Unlock()
		settle(6 * time.Second)
		read("half an ans")
		settle(10 * time.Second)
		shown(t, w, "re: one (0)")
	})
}

func TestAStopEndsWaitingAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.out.live = 100 * time.Millisecond
		w.until(time.Hour, keysBusy)
		p := w.start(func(o *conversation.Options) { o.Live = w.store })
		w.say(p, "1", "one")
		settle(30 * time.Second)
		w.say(p, "2", "/stop")
		settle(time.Second)
		shown(t, w, "（这条消息的回答已停止）", "已停止。") // without the line about the queue
	})
}

func TestASuspensionEndsWaitingAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(time.Hour, keysBusy)
		p := w.start()
		w.say(p, "1", "one")
		settle(30 * time.Second)
		p.Suspend("acme")
		settle(time.Second)
		shown(t, w, "本服务已暂停，请联系管理员。")
	})
}

func TestAShutdownHandsOverWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(2*time.Minute, keysBusy)
		for i := range 5 { // more than a message has attempts
			p := w.start()
			if i == 0 {
				w.say(p, "1", "one")
			}
			settle(10 * time.Second)
			p.stop()
		}
		shown(t, w)
		w.start()
		settle(2 * time.Minute)
		if got := w.out.texts(); len(got) != 1 || !strings.HasSuffix(got[0], "re: one (0)") {
			t.Errorf("shown %q", got)
		}
		for i, c := range w.llm.calls {
			if c.Attempt != 1 {
				t.Fatalf("call %d was attempt %d: a handover is none", i, c.Attempt)
			}
		}
	})
}

// A message that waits keeps its lease: nobody takes it over.
func TestWhoWaitsKeepsTheirLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(time.Minute, keysBusy)
		p := w.start()
		other := 0
		w.start(func(o *conversation.Options) { o.Complete = counting{o.Complete, &other} })
		p.stop() // so that the other claims it
		w.say(p, "1", "one")
		settle(30 * time.Second)
		third := 0
		w.start(func(o *conversation.Options) { o.Complete = counting{o.Complete, &third} })
		settle(time.Minute)
		if third != 0 || other == 0 {
			t.Errorf("the third process asked %d times, the owner %d times", third, other)
		}
	})
}

type counting struct {
	conversation.Completer
	n *int
}

func (c counting) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	*c.n++
	return c.Completer.Complete(ctx, req, emit)
}

// Much may change while a message waits: who may see its data, above all.
func TestTheDocumentIsReadAnewAfterWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Providers = []string{"openai"}
		w.until(time.Minute, keysBusy)
		p := w.start()
		w.say(p, "1", "one")
		settle(20 * time.Second)
		now := w.tenant
		now.Providers, now.Limits.MaxOutput, now.Limits.MaxPrompt = []string{"chatglm"}, 99, 500
		w.swap(now)
		settle(time.Minute)
		first, last := w.llm.calls[0], w.llm.calls[w.llm.asked()-1]
		if first.Providers[0] != "openai" || last.Providers[0] != "chatglm" || first.MaxOutput != 0 || last.MaxOutput != 99 || last.MaxPrompt != 500 {
			t.Errorf("first %+v, last %+v", first, last)
		}
	})
}

// Whoever waits has nothing under way that a shutdown should give time to: another replica takes them over at once.
func TestAShutdownDoesNotWaitForWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(20*time.Second, keysBusy)
		p := w.start(func(o *conversation.Options) { o.Grace = 20 * time.Second })
		w.say(p, "1", "one")
		settle(10 * time.Second)
		began := time.Now()
		p.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the shutdown took %v", took)
		}
		w.start()
		settle(20 * time.Second)
		if got := w.out.texts(); len(got) != 1 || !strings.HasSuffix(got[0], "re: one (0)") {
			t.Errorf("shown %q", got)
		}
	})
}
