package conversation_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func (k *killable) Forget(ctx context.Context, c conversation.Claim, user string) (conversation.Forgotten, error) {
	return guard(k, "forget", func() (conversation.Forgotten, error) { return k.Store.Forget(ctx, c, user) })
}

// Whoever asks to be forgotten does not wait behind an answer, on whatever replica it is written, and is remembered no more.
func TestForgetPassesByWhatRunsAndWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.out.live = 100 * time.Millisecond
		a, b := w.start(), w.start()
		w.say(a, "1", "one")
		settle(2 * time.Second)
		w.llm.delay, w.llm.chunk = time.Hour, "half"
		w.say(a, "2", "two")
		settle(2 * time.Second)
		w.say(a, "3", "three")
		w.say(b, "4", "忘记我")
		began := time.Now()
		settle(time.Second)
		got := w.out.texts()
		if len(got) != 4 || !strings.Contains(got[1], "已停止") || !strings.Contains(got[2], "已停止") || !strings.Contains(got[3], "对话 1 轮") {
			t.Fatalf("after %v: %q", time.Since(began), got)
		}
		if !strings.Contains(got[3], began.Add(24*time.Hour).In(time.FixedZone("", 8*3600)).Format("2006-01-02 15:04")) {
			t.Errorf("the reply does not say until when what remains: %s", got[3])
		}
		if strings.Contains(got[3], "用量数字") {
			t.Errorf("it speaks of caps that the tenant does not have: %s", got[3])
		}
		w.llm.delay = time.Second
		w.say(a, "5", "five")
		settle(5 * time.Second)
		if got := w.out.texts(); got[len(got)-1] != "re: five (0)" {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// Whoever of the owners dies in between, the person is told the same.
func TestForgetSurvivesAKill(t *testing.T) {
	for _, tt := range []struct {
		step  string
		after bool
	}{{"forget", false}, {"forget", true}, {"commit", false}, {"commit", true}, {"delivered", false}, {"delivered", true}} {
		name := "before "
		if tt.after {
			name = "after "
		}
		t.Run(name+tt.step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.UserPerDay = 1000
				a := w.start()
				w.llm.cost = func(int) []chat.Spend {
					return []chat.Spend{{Provider: "sim", Model: "m", Usage: chat.Usage{Input: 5, Output: 5}}}
				}
				w.say(a, "1", "one")
				w.say(a, "2", "two")
				settle(5 * time.Second)
				a.store.kill(tt.step, tt.after)
				w.say(a, "3", "/FORGET")
				settle(time.Second)
				w.start()
				settle(20 * time.Second)
				got := w.out.texts()
				if len(got) != 3 || !strings.Contains(got[2], "对话 2 轮") || !strings.Contains(got[2], "；1 天的用量") || !strings.Contains(got[2], "用量数字") {
					t.Errorf("shown %q", got)
				}
				u, err := w.store.Usage(context.Background(), "acme", conversation.DayOf(time.Now()))
				if err != nil || len(u.Users) != 1 || u.Users[0].User != conversation.Nobody || u.Users[0].Reported.Sum() != 20 {
					t.Errorf("usage %+v, %v", u, err)
				}
			})
		})
	}
}

func TestWordsThatForget(t *testing.T) {
	for text, want := range map[string]bool{
		"/forget": true, " /Forget ": true, "／forget": true, "忘记我": true, "忘掉我": true, "/忘记我": true,
		"forget": false, "请忘记我": false, "忘记我 吧": false, "/forget me": false, "忘记": false,
	} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.say(w.start(), "1", text)
				settle(5 * time.Second)
				got := w.out.texts()
				if len(got) != 1 || strings.Contains(got[0], "已忘记你") != want {
					t.Errorf("got %q, want it to forget: %t", got, want)
				}
			})
		})
	}
}

// A reply that the platform refuses holds up nobody who wants to be forgotten, and the message goes with the rest. Others' are kept.
func TestForgetDoesNotWaitForARefusedReply(t *testing.T) {
	for name, refusal := range map[string]*chat.Error{"blocked": untrusted(), "failing": chat.E(chat.Unavailable, "test", nil)} {
		for _, whose := range []string{"zhang", "li"} {
			t.Run(name+" "+whose, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					w := newWorld(t)
					p := newPlatform(w)
					a := w.start(w.on(p))
					w.say(a, "1", "one")
					settle(2 * time.Second)
					p.all(refusal)
					m := chat.Message{
						ID: "2", User: whose, Kind: chat.KindText, Text: "two", Conversation: chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"},
					}
					if err := a.Accept(context.Background(), m); err != nil {
						t.Fatal(err)
					}
					settle(10 * time.Minute)
					if st := w.stats(); st.Waiting != 1 {
						t.Fatalf("stats %+v, want a reply that waits", st)
					}
					w.say(a, "3", "/forget")
					settle(5 * time.Second)
					letters, err := w.store.DeadLetters(context.Background(), "acme", 10)
					if err != nil || len(letters) > 1 || (len(letters) == 1) != (whose == "li") {
						t.Errorf("dead letters %+v, %v", letters, err)
					}
					p.refuse(nil)
					settle(2 * time.Minute)
					got := w.out.texts()
					if len(got) != 2 || !strings.Contains(got[1], "对话 2 轮") {
						t.Errorf("shown %q, want the answer of before and what was forgotten", got)
					}
				})
			})
		}
	}
}
