package conversation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func shown(t *testing.T, w *world, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.out.texts()); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestMessagesAreAnsweredInOrderWithTheirContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start()
		w.say(p, "1", "one")
		w.say(p, "2", "two")
		w.say(p, "1", "one") // redelivered
		w.say(p, "3", "three")
		settle(10 * time.Second)
		shown(t, w, "re: one (0)", "re: two (1)", "re: three (2)")
		got := w.llm.calls[2]
		if got.System != "be brief" || got.Model != "chat" || got.Tenant != "acme" || len(got.History) != 2 {
			t.Errorf("request: %+v", got)
		}
		if got.History[0].Question != "one" || got.History[0].Answer != "re: one (0)" {
			t.Errorf("history: %+v", got.History)
		}
		if strings.Contains(got.Conversation+got.User+got.Turn, "zhang") {
			t.Error("a person's id reaches the server in plain")
		}
		settle(31 * time.Minute)
		w.say(p, "4", "four")
		settle(10 * time.Second)
		if n := len(w.llm.calls[3].History); n != 0 {
			t.Errorf("history lived on after its TTL: %d turns", n)
		}
	})
}

func TestATurnIsFinishedByAnotherReplica(t *testing.T) {
	steps := []struct {
		step  string
		after bool
		asked int // calls of the model in all
	}{
		{"idle", false, 1}, {"claim", true, 1}, {"complete", false, 1}, {"answered", false, 2},
		{"commit", false, 2}, {"commit", true, 1}, {"delivered", false, 1}, {"delivered", true, 1},
	}
	for _, s := range steps {
		t.Run(s.step+map[bool]string{true: " done"}[s.after], func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.start()
				a.store.kill(s.step, s.after)
				w.say(a, "1", "one")
				w.say(a, "2", "two")
				settle(3 * time.Second)
				w.start()
				settle(20 * time.Second)
				shown(t, w, "re: one (0)", "re: two (1)")
				if w.llm.asked() < s.asked+1 || w.llm.asked() > s.asked+2 {
					t.Errorf("the model was asked %d times for two turns", w.llm.asked())
				}
			})
		})
	}
}

func TestTakeoverWithinTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, _ := w.start(), w.start()
		a.store.kill("answered", false)
		w.say(a, "1", "one")
		began := time.Now()
		for len(w.out.texts()) == 0 && time.Since(began) < time.Minute {
			settle(100 * time.Millisecond)
		}
		// a second of the first try, the lease, a sweep, a second of the second try
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("took over after %v", took)
		}
	})
}

func TestAPausedOwnerIsFencedOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start()
		a.store.kill("commit", false)
		w.say(a, "1", "one")
		settle(2 * time.Second)
		w.start()
		settle(20 * time.Second)
		a.store.revive() // the old owner wakes up and commits what it has
		settle(20 * time.Second)
		shown(t, w, "re: one (0)")
	})
}

func TestWhatIsAnsweredWithoutAModel(t *testing.T) {
	cases := []struct {
		name string
		m    chat.Message
		want string
	}{
		{"help", chat.Message{Kind: chat.KindText, Text: " /HELP "}, "/forget"},
		{"help in Chinese", chat.Message{Kind: chat.KindText, Text: "帮助"}, "/reset"},
		{"status", chat.Message{Kind: chat.KindText, Text: "/status"}, "模型：chat\n已记住的对话：0 轮（最多 20 轮）"},
		{"model", chat.Message{Kind: chat.KindText, Text: "／模型"}, "可选模型：chat、deep"},
		{"unknown model", chat.Message{Kind: chat.KindText, Text: "/model nope"}, "没有这个模型"},
		{"reset", chat.Message{Kind: chat.KindText, Text: "重置"}, "已经清空"},
		{"nothing to stop", chat.Message{Kind: chat.KindText, Text: "/stop"}, "现在没有正在进行的回答"},
		{"welcome", chat.Message{Kind: chat.KindWelcome}, "你好"},
		{"unsupported", chat.Message{Kind: chat.KindUnsupported, Text: "image"}, "暂时还不支持"},
		{"blank", chat.Message{Kind: chat.KindText, Text: " \n"}, "/reset"},
		{"too long", chat.Message{Kind: chat.KindText, Text: strings.Repeat("长", 101)}, "太长"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				p := w.start()
				c.m.ID = "1"
				w.post(p, c.m)
				settle(time.Second)
				if got := w.out.texts(); len(got) != 1 || !strings.Contains(got[0], c.want) {
					t.Errorf("shown %q, want one text with %q", got, c.want)
				}
				if n := w.llm.asked(); n != 0 {
					t.Errorf("the model was asked %d times", n)
				}
			})
		})
	}
}

func TestCommandsAreInOrderAndChangeTheConversation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start()
		for i, s := range []string{"one", "/model deep", "two", "/reset", "three"} {
			w.say(p, string(rune('1'+i)), s)
		}
		settle(10 * time.Second)
		var models []string
		var turns []int
		for _, c := range w.llm.calls {
			models, turns = append(models, c.Model), append(turns, len(c.History))
		}
		if diff := cmp.Diff([]string{"chat", "deep", "chat"}, models); diff != "" {
			t.Errorf("models: %s", diff)
		}
		if diff := cmp.Diff([]int{0, 1, 0}, turns); diff != "" {
			t.Errorf("history: %s", diff)
		}
	})
}

func TestStopCancelsWhatRunsAndWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = time.Hour
		w.llm.chunk = "half an ans"
		w.out.live = 100 * time.Millisecond
		a, b := w.start(), w.start()
		w.say(a, "1", "one")
		settle(2 * time.Second)
		w.say(a, "2", "two")
		w.say(b, "3", "/stop") // accepted by whichever replica
		began := time.Now()
		settle(time.Second)
		shown(t, w, "half an ans\n\n（这条消息的回答已停止）", "（这条消息的回答已停止）", "已停止。")
		if d := time.Since(began); d > 1100*time.Millisecond {
			t.Errorf("stopped after %v", d)
		}
		w.llm.delay = time.Second
		w.say(a, "4", "four")
		settle(5 * time.Second)
		if got := w.out.texts(); got[len(got)-1] != "re: four (0)" {
			t.Errorf("after a stop: %q", got)
		}
	})
}

func TestFailuresBecomeTexts(t *testing.T) {
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"timeout", chat.E(chat.Timeout, "x", nil), "没有在规定时间内"},
		{"rejected", chat.E(chat.Rejected, "x", nil), "内容无法回答"},
		{"too large", chat.E(chat.TooLarge, "x", nil), "太长"},
		{"provider down", chat.E(chat.Unavailable, "x", nil), "没能得到回答"},
		{"unknown", errors.New("boom"), "没能得到回答"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.llm.fail = func(n int) error {
					if n == 1 {
						return c.err
					}
					return nil
				}
				p := w.start()
				w.say(p, "1", "one")
				w.say(p, "2", "two")
				settle(10 * time.Second)
				got := w.out.texts()
				if len(got) != 2 || !strings.Contains(got[0], c.want) || got[1] != "re: two (0)" {
					t.Errorf("shown %q: want an apology with %q, then an answer without the failed turn in its context", got, c.want)
				}
				if w.llm.asked() != 2 {
					t.Errorf("a provider's failure was retried by the client: %d calls", w.llm.asked())
				}
			})
		})
	}
}

func TestAFailedInstanceIsReplacedInTheSameTurn(t *testing.T) {
	lost := &chat.Error{Kind: chat.Unavailable, Op: "rpc", Code: chat.CodeInstance}
	none := &chat.Error{Kind: chat.Unavailable, Op: "rpc", Code: chat.CodeNoInstance}
	full := &chat.Error{Kind: chat.Overloaded, Op: "rpc", Code: chat.CodeInstance}
	for name, c := range map[string]struct {
		errs []error
		want string
	}{
		"died twice":           {[]error{lost, lost}, "re: one (0)"},
		"died always":          {[]error{lost, lost, lost, lost, lost, lost, lost, lost}, "抱歉，这次没能得到回答，请稍后再试。"},
		"none for a while":     {[]error{none, none, none, none, none, none, none, none}, "re: one (0)"},
		"no room, then a dead": {[]error{full, full, full, full, full, lost}, "re: one (0)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.llm.fail = func(n int) error {
					if n <= len(c.errs) {
						return c.errs[n-1]
					}
					return nil
				}
				p := w.start()
				w.say(p, "1", "one")
				settle(time.Minute)
				shown(t, w, c.want)
			})
		})
	}
}

func TestAMessageThatKillsItsOwnersIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.MaxWait = 0
		first := w.start()
		first.store.kill("answered", false)
		w.say(first, "1", "poison")
		for range 2 {
			settle(10 * time.Second)
			w.start().store.kill("answered", false)
		}
		settle(10 * time.Second)
		p := w.start()
		w.say(p, "2", "two")
		settle(30 * time.Second)
		shown(t, w, "抱歉，这次没能得到回答，请稍后再试。", "re: two (0)")
		st, err := w.store.Stats(context.Background(), "acme")
		if err != nil || st.Dead != 1 || st.Waiting != 0 {
			t.Errorf("stats %+v, %v: want one dead letter and nothing waiting", st, err)
		}
	})
}

func TestSending(t *testing.T) {
	down := &chat.Error{Kind: chat.Unavailable, Op: "send", Code: "-1"}
	maybe := &chat.Error{Kind: chat.Timeout, Op: "send", Maybe: true}
	untrusted := &chat.Error{Kind: chat.Forbidden, Op: "send", Code: "60020"}
	gone := &chat.Error{Kind: chat.NotFound, Op: "send", Code: "60111"}
	for name, c := range map[string]struct {
		fail   func(int) error
		resend time.Duration
		want   []string
	}{
		"down for a while":         {func(n int) error { return map[bool]error{true: down}[n < 6] }, time.Hour, []string{"re: one (0)", "re: two (1)"}},
		"answer lost, resendable":  {func(n int) error { return map[bool]error{true: maybe}[n == 1] }, time.Hour, []string{"re: one (0)", "re: two (1)"}},
		"answer lost, not so":      {func(n int) error { return map[bool]error{true: maybe}[n == 1] }, 0, []string{"re: two (1)"}},
		"refused, mended":          {func(n int) error { return map[bool]error{true: untrusted}[n < 10] }, time.Hour, []string{"re: one (0)", "re: two (1)"}},
		"the person left the firm": {func(n int) error { return map[bool]error{true: gone}[n == 1] }, time.Hour, []string{"re: two (1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.out.resend = c.resend
				w.out.fail = func(n int) error {
					if err, ok := errors.AsType[*chat.Error](c.fail(n)); ok && err != nil {
						return err
					}
					return nil
				}
				p := w.start()
				w.say(p, "1", "one")
				w.say(p, "2", "two")
				settle(5*time.Minute - time.Second)
				shown(t, w, c.want...)
			})
		})
	}
}

func TestPartsAfterACrashAreResentOnlyWhereThatIsSafe(t *testing.T) {
	for name, c := range map[string]struct {
		resend time.Duration
		want   []string
	}{
		"resendable": {time.Hour, []string{"re: on", "e (0)"}},
		"not":        {0, []string{"re: on", "e (0)"}}, // the first part was shown; it is recorded as ambiguous and not repeated
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.out.size, w.out.resend = 6, c.resend
				a := w.start()
				a.store.kill("delivered", false)
				w.say(a, "1", "one")
				settle(3 * time.Second)
				w.start()
				settle(20 * time.Second)
				shown(t, w, c.want...)
			})
		})
	}
}

func TestShutdownFinishesOrHandsOver(t *testing.T) {
	t.Run("finishes within the grace", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			p := w.start()
			w.say(p, "1", "one")
			settle(500 * time.Millisecond)
			p.stop()
			shown(t, w, "re: one (0)")
		})
	})
	t.Run("hands over what takes longer, at once", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.llm.delay = 30 * time.Second
			p, _ := w.start(), w.start(func(o *conversation.Options) { o.Turns = 1 })
			w.say(p, "1", "one")
			settle(time.Second)
			began := time.Now()
			p.stop()
			if took := time.Since(began); took > 7*time.Second {
				t.Errorf("stopped after %v with a grace of 5 s", took)
			}
			settle(35 * time.Second)
			shown(t, w, "re: one (0)")
		})
	})
}

func TestLateMessagesAndSuspendedTenants(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start()
		p.stop()
		w.say(p, "1", "one")
		settle(6 * time.Minute)
		q := w.start()
		settle(5 * time.Second)
		shown(t, w, "抱歉，这条消息等待太久，没有处理。如果仍需要，请再发一次。")
		suspended := w.tenant
		suspended.Suspended = true
		w.swap(suspended)
		err := q.Accept(context.Background(), chat.Message{ID: "2", Conversation: chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "z"}})
		if chat.KindOf(err) != chat.NotFound {
			t.Errorf("a suspended tenant's message: %v", err)
		}
	})
}

func TestSuspendingATenantEndsItsAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = time.Hour
		p := w.start()
		w.say(p, "1", "one")
		w.say(p, "2", "two")
		settle(2 * time.Second)
		suspended := w.tenant
		suspended.Suspended = true
		w.swap(suspended)
		p.Suspend("other")
		p.Suspend("acme")
		settle(2 * time.Second)
		shown(t, w, "本服务已暂停，请联系管理员。", "本服务已暂停，请联系管理员。")
	})
}

func TestTheDegradationIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(func(o *conversation.Options) { o.Complete = degraded{} })
		w.say(p, "1", "one")
		w.say(p, "2", "two")
		settle(5 * time.Second)
		shown(t, w, "（默认模型暂不可用，现由 glm-4.6 为你回答）\n\none!", "two!")
	})
}

type degraded struct{}

func (degraded) Complete(_ context.Context, req chat.Request, _ func(chat.Event)) (chat.Reply, error) {
	return chat.Reply{Start: chat.Start{Provider: "chatglm", Model: "glm-4.6", Degraded: true}, Text: req.Question + "!"}, nil
}
