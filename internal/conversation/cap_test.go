package conversation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// sayAs has a person of acme say something.
func (w *world) sayAs(p *process, user, id, text string) {
	w.t.Helper()
	m := chat.Message{ID: id, Kind: chat.KindText, Text: text, User: user}
	m.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: user}
	if err := p.Accept(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
}

// A bubble begins at midnight UTC of 2000-01-01, which is 8 in the morning in Beijing.
func TestAPersonsDay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.UserPerDay = 100
		w.llm.usage = chat.Usage{Input: 30, Output: 15}
		reg := prometheus.NewRegistry()
		p := w.start(func(o *conversation.Options) { o.Metrics = reg })
		for i, s := range []string{"one", "two", "three", "four", "/status"} {
			w.say(p, fmt.Sprint(i), s)
		}
		settle(10 * time.Second)
		refused := "你今天的用量已达上限（100 tokens），2000-01-02 00:00（北京时间）恢复，到时请再发一次。"
		status := "模型：chat\n已记住的对话：3 轮（最多 20 轮）\n排队中的消息：0 条\n今日已用：135 / 100 tokens"
		shown(t, w, "re: one (0)", "re: two (1)", "re: three (2)", refused, status)
		w.sayAs(p, "li", "5", "mine")
		settle(10 * time.Second)
		if got := w.out.texts(); got[len(got)-1] != "re: mine (0)" {
			t.Errorf("another person: %q", got)
		}
		if n := w.llm.asked(); n != 4 {
			t.Errorf("the model was asked %d times, want 4", n)
		}
		if n := counter(t, reg, "parley_caps_reached_total", map[string]string{"tenant": "acme", "scope": "user"}); n != 1 {
			t.Errorf("%v caps reached, want 1", n)
		}
		if n := counter(t, reg, "parley_turns_total", map[string]string{"result": "cap_user"}); n != 1 {
			t.Errorf("%v turns ended so, want 1", n)
		}
		settle(16 * time.Hour)
		w.say(p, "6", "a new day")
		settle(10 * time.Second)
		if got := w.out.texts(); got[len(got)-1] != "re: a new day (0)" {
			t.Errorf("the next day: %q", got)
		}
	})
}

// The cap holds over replicas and many people at once: it is overrun by a turn at most, and can be used up.
func TestACompanysDay(t *testing.T) {
	for name, c := range map[string]struct {
		limit, maxOutput, each int
	}{
		"exact estimates":       {3000, 50, 59},
		"no cap of the output":  {5000, 0, 40},
		"less than an estimate": {100, 0, 30},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.TokensPerDay, w.tenant.Limits.MaxOutput, w.tenant.Language = c.limit, c.maxOutput, "en"
				w.llm.usage = chat.Usage{Input: c.each - 10, Output: 10}
				everything := &everyPart{outlet: w.out}
				all := func(o *conversation.Options) { o.Directory = everyWorld{w, everything} }
				a, b := w.start(all), w.start(all)
				for i := range 200 {
					w.sayAs([]*process{a, b}[i%2], fmt.Sprint("u", i), fmt.Sprint(i), "q")
				}
				settle(6 * time.Minute)
				got := everything.texts()
				answered := len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasSuffix(s, "re: q (0)") }))
				if spent := answered * c.each; spent < c.limit || spent >= c.limit+c.each {
					t.Errorf("%d answered for %d tokens, want %d and at most one turn more", answered, spent, c.limit)
				}
				refused := "Your organization has used up today's tokens. Please send this again after 2000-01-02 00:00 (Beijing time)."
				for _, s := range got {
					if !strings.HasSuffix(s, "re: q (0)") && s != refused {
						t.Errorf("shown %q", s)
					}
				}
				if len(got) != 200 || w.llm.asked() != answered {
					t.Errorf("%d replies, %d calls of the model, %d answers", len(got), w.llm.asked(), answered)
				}
			})
		})
	}
}

// everyPart shows what it is given, also what another person was shown before.
type everyPart struct {
	*outlet
	n atomic.Int64
}

func (o *everyPart) Parts(m chat.Message, text string, _ int64) ([]chat.Part, error) {
	return o.outlet.Parts(m, text, o.n.Add(1))
}

type everyWorld struct {
	*world
	out *everyPart
}

func (w everyWorld) Outlet(_, _ string) (conversation.Outlet, bool) { return w.out, true }

// A crash between reserve and settle must not shut a person out; not from the very turn that crashed, either.
func TestACrashDoesNotEatTheDay(t *testing.T) {
	for _, step := range []string{"complete", "answered", "commit"} {
		t.Run(step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.TokensPerDay, w.tenant.Limits.UserPerDay, w.tenant.Limits.MaxOutput = 1100, 1100, 1000
				w.llm.usage = chat.Usage{Input: 30, Output: 15}
				a := w.start()
				a.store.kill(step, false)
				w.say(a, "1", "one")
				settle(3 * time.Second)
				p := w.start()
				settle(20 * time.Second)
				w.say(p, "2", "two")
				settle(time.Minute)
				shown(t, w, "re: one (0)", "re: two (1)")
			})
		})
	}
}

// calls counts the round trips of a turn.
type calls struct {
	conversation.Store
	n map[string]*atomic.Int64
}

func counted(s conversation.Store) calls {
	n := map[string]*atomic.Int64{}
	for _, step := range []string{"commit", "delivered", "spend", "reserve", "settle", "budget"} {
		n[step] = &atomic.Int64{}
	}
	return calls{s, n}
}

func (c calls) Commit(ctx context.Context, cl conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	c.n["commit"].Add(1)
	return c.Store.Commit(ctx, cl, o)
}

func (c calls) Delivered(ctx context.Context, cl conversation.Claim, part int, o conversation.ClaimOptions) (conversation.Next, error) {
	c.n["delivered"].Add(1)
	return c.Store.Delivered(ctx, cl, part, o)
}

func (c calls) Spend(ctx context.Context, cl conversation.Claim, user string, s []chat.Spend) error {
	c.n["spend"].Add(1)
	return c.Store.Spend(ctx, cl, user, s)
}

func (c calls) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	c.n["reserve"].Add(1)
	return c.Store.Reserve(ctx, r)
}

func (c calls) Settle(ctx context.Context, r conversation.Reservation, n int) error {
	c.n["settle"].Add(1)
	return c.Store.Settle(ctx, r, n)
}

func (c calls) Budget(ctx context.Context, tenant, user string, d conversation.Day) (conversation.Budget, error) {
	c.n["budget"].Add(1)
	return c.Store.Budget(ctx, tenant, user, d)
}

func TestOnlyCapsCostRoundTrips(t *testing.T) {
	for name, c := range map[string]struct {
		perDay, user int
		more         int64 // of reserve and settle for two turns
		looks        int64
	}{"none": {0, 0, 0, 0}, "the company's": {1_000_000, 0, 2, 0}, "the person's": {0, 1_000_000, 2, 1}, "both": {1_000_000, 1_000_000, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.TokensPerDay, w.tenant.Limits.UserPerDay = c.perDay, c.user
				w.llm.usage = chat.Usage{Input: 30, Output: 15}
				n := counted(w.store)
				p := w.start(func(o *conversation.Options) { o.Store = n })
				for i, s := range []string{"one", "/status", "two", "/help"} {
					w.say(p, fmt.Sprint(i), s)
				}
				settle(10 * time.Second)
				got := map[string]int64{}
				for step, v := range n.n {
					got[step] = v.Load()
				}
				want := map[string]int64{"commit": 4, "delivered": 4, "spend": 0, "reserve": c.more, "settle": c.more, "budget": c.looks}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("round trips (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// noBudget is a store whose budgets do not answer: their node of the cluster is down.
type noBudget struct {
	conversation.Store
	on *atomic.Bool
}

func (s noBudget) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	if s.on.Load() {
		return conversation.Granted{}, chat.E(chat.Unavailable, "test", nil)
	}
	return s.Store.Reserve(ctx, r)
}

func (s noBudget) Settle(ctx context.Context, r conversation.Reservation, n int) error {
	if s.on.Load() {
		return chat.E(chat.Unavailable, "test", nil)
	}
	return s.Store.Settle(ctx, r, n)
}

// A cap that cannot be checked is not overrun: no model is asked. A cost that cannot be settled does not keep the reply back for long, and
// is settled later.
func TestBudgetsThatDoNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay = 1_000_000
		w.llm.usage = chat.Usage{Input: 30, Output: 15}
		var down atomic.Bool
		p := w.start(func(o *conversation.Options) { o.Store = noBudget{o.Store, &down} })
		down.Store(true)
		w.say(p, "1", "one")
		settle(time.Minute)
		if n := w.llm.asked(); n != 0 {
			t.Errorf("the model was asked %d times", n)
		}
		down.Store(false)
		settle(1500 * time.Millisecond) // in the middle of the call
		down.Store(true)
		settle(5 * time.Second)
		shown(t, w, "re: one (0)")
		down.Store(false)
		settle(10 * time.Second)
		b, err := w.store.Budget(context.Background(), "acme", "", conversation.DayOf(time.Now()))
		if err != nil || b.Spent != 45 {
			t.Errorf("budget %+v, %v, want 45 tokens spent", b, err)
		}
		w.spends(map[string]conversation.Tokens{"sim": {Calls: 1, Input: 30, Output: 15}})
		down.Store(true)
		w.say(p, "2", "two")
		settle(4 * time.Minute)
		shown(t, w, "re: one (0)", slow)
	})
}

// unheard carries a person's reservation out, and loses every answer about it.
type unheard struct {
	conversation.Store
	user string // the first who asks
}

func (s *unheard) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	if s.user == "" {
		s.user = r.User
	}
	g, err := s.Store.Reserve(ctx, r)
	if r.User == s.user && err == nil {
		return conversation.Granted{}, &chat.Error{Kind: chat.Timeout, Op: "test", Maybe: true}
	}
	return g, err
}

// What may have been reserved is freed, too: else a person who gave up would keep the others of the company waiting for minutes.
func TestAReservationWhoseAnswerWasLostIsFreed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay, w.tenant.Limits.MaxOutput = 1500, 1000
		w.llm.usage = chat.Usage{Input: 30, Output: 15}
		p := w.start(func(o *conversation.Options) { o.Store = &unheard{Store: o.Store} })
		w.say(p, "1", "one")
		settle(2 * time.Second)
		w.say(p, "2", "/stop")
		settle(2 * time.Second)
		w.sayAs(p, "li", "3", "mine")
		settle(10 * time.Second)
		shown(t, w, "（这条消息的回答已停止）", "已停止。", "re: mine (0)")
	})
}

// Budgets that do not answer must not hold conversations up one after the other.
func TestManyWhoseBudgetsDoNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay = 1_000_000_000
		w.llm.usage = chat.Usage{Input: 30, Output: 15}
		w.llm.delay = 3 * time.Second
		var down atomic.Bool
		p := w.start(func(o *conversation.Options) { o.Store = noBudget{o.Store, &down} })
		for i := range 500 {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint(i), "q")
		}
		settle(2 * time.Second)
		down.Store(true)
		settle(20 * time.Second)
		if n := p.Running(); n != 0 {
			t.Errorf("%d conversations are still held", n)
		}
		w.spends(map[string]conversation.Tokens{"sim": {Calls: 500, Input: 15_000, Output: 7_500}})
	})
}

// busyModel has no key free for a model.
type busyModel struct {
	conversation.Completer
	model string
}

func (b busyModel) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	if req.Model == b.model {
		return chat.Reply{}, keysBusy
	}
	return b.Completer.Complete(ctx, req, emit)
}

// What is left of a day is for those who can use it, not for those who wait for a key.
func TestWhoWaitsForAKeyHoldsNoBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay, w.tenant.Limits.UserPerDay, w.tenant.Limits.MaxOutput = 1500, 1200, 1000
		w.llm.usage = chat.Usage{Input: 30, Output: 15}
		p := w.start(func(o *conversation.Options) { o.Complete = busyModel{o.Complete, "deep"} })
		w.say(p, "1", "/model deep")
		w.say(p, "2", "one")
		settle(30 * time.Second)
		w.sayAs(p, "li", "3", "mine")
		settle(10 * time.Second)
		shown(t, w, "已切换到模型：deep", "re: mine (0)")
		settle(5 * time.Minute)
		if got := w.out.texts(); len(got) != 3 || got[2] != late {
			t.Errorf("shown %q", got)
		}
		b, err := w.store.Budget(context.Background(), "acme", "", conversation.DayOf(time.Now()))
		if err != nil || b.Spent != 45 {
			t.Errorf("budget %+v, %v, want 45 tokens spent", b, err)
		}
	})
}
