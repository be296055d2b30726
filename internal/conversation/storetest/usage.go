package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// spend is a call that cost in+out tokens, some of them cached and reasoned.
func spend(provider, model string, in, out int) chat.Spend {
	return chat.Spend{Provider: provider, Model: model, Usage: chat.Usage{Input: in, Cached: in / 2, Output: out, Reasoning: out / 4}}
}

func estimated(s chat.Spend) chat.Spend { s.Usage.Estimated = true; return s }

func own(s chat.Spend) chat.Spend { s.Own = true; return s }

// today is the store's own day, as a claim tells it.
func (e *env) today(c conversation.Claim) conversation.Day { return conversation.DayOf(c.Now) }

func (e *env) usage(tenant string, d conversation.Day) conversation.Usage {
	e.Helper()
	u, err := e.s.Usage(e.ctx, tenant, d)
	if err != nil {
		e.Fatalf("usage: %v", err)
	}
	return u
}

// line makes an item of a usage.
func line(s chat.Spend, calls int) conversation.ItemUsage {
	u := s.Usage
	return conversation.ItemUsage{
		Item:   conversation.Item{Provider: s.Provider, Model: s.Model, Own: s.Own, Estimated: u.Estimated},
		Tokens: conversation.Tokens{Calls: calls, Input: calls * u.Input, Cached: calls * u.Cached, Output: calls * u.Output, Reasoning: calls * u.Reasoning},
	}
}

func testUsage(e *env) {
	fast, slow := spend("openai", "gpt-4o", 100, 40), spend("chat glm/%3A:x", "glm 4.6/plus:\x00\xff", 12, 8)
	c := e.say("m1", func(o *conversation.Outcome) {
		o.User, o.Spent = "zhang", []chat.Spend{fast, slow, fast, estimated(slow)}
	})
	e.say("m2", func(o *conversation.Outcome) { o.User, o.Spent = "zhang", []chat.Spend{own(fast)} })
	e.say("m3", nil) // a command: it cost nothing
	li := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "li"}
	for i := 0; conversation.ShardOf(li) == conversation.ShardOf(zhang); i++ { // another shard
		li.ID = fmt.Sprint("li", i)
	}
	e.put(message(li, "m1"), conversation.AcceptOptions{})
	other := e.claims("a", li, 1)[0]
	o := e.outcome(other, 2) // with parts
	o.User, o.Spent = "li: u0/%2F", []chat.Spend{fast, fast, fast}
	e.commit(other, o)

	want := conversation.Usage{
		Items: []conversation.ItemUsage{line(slow, 1), line(estimated(slow), 1), line(fast, 5), line(own(fast), 1)},
		Users: []conversation.UserUsage{
			{
				User: "zhang", Reported: line(fast, 3).Plus(line(slow, 1).Tokens), Estimated: line(slow, 1).Tokens,
				Items: []conversation.ItemUsage{line(slow, 1), line(estimated(slow), 1), line(fast, 2), line(own(fast), 1)},
			},
			{User: "li: u0/%2F", Reported: line(fast, 3).Tokens, Items: []conversation.ItemUsage{line(fast, 3)}},
		},
	}
	e.same("usage", e.usage("acme", e.today(c)), want)
	for what, u := range map[string]conversation.Usage{
		"another tenant": e.usage("other", e.today(c)), "the day before": e.usage("acme", e.today(c)-1), "the day after": e.usage("acme", e.today(c)+1),
	} {
		e.same(what, u, conversation.Usage{})
	}
}

// Days begin at midnight in Beijing by the store's clock, and are kept 40 days after their end.
func testUsageDays(e *env) {
	s := spend("openai", "gpt-4o", 10, 5)
	bill := func(id string) conversation.Claim {
		return e.say(id, func(o *conversation.Outcome) { o.User, o.Spent = "zhang", []chat.Spend{s} })
	}
	first := bill("m1")
	day := e.today(first)
	e.h.Advance(day.Ends().Sub(first.Now) - time.Minute)
	bill("m2")
	e.h.Advance(time.Minute)
	if c := bill("m3"); e.today(c) != day+1 || c.Now.UTC().Hour() != 16 {
		e.Fatalf("the clock shows %v, want midnight in Beijing", c.Now)
	}
	check := func(what string, before, after int) {
		e.Helper()
		for d, n := range map[conversation.Day]int{day: before, day + 1: after} {
			want := conversation.Usage{}
			if n > 0 {
				want.Items = []conversation.ItemUsage{line(s, n)}
				want.Users = []conversation.UserUsage{{User: "zhang", Reported: line(s, n).Tokens, Items: want.Items}}
			}
			e.same(fmt.Sprintf("%s: day %v", what, d), e.usage("acme", d), want)
		}
	}
	check("after midnight", 2, 1)
	e.h.Advance(conversation.KeepUsage - time.Hour)
	check("40 days after the first", 2, 1)
	e.h.Advance(2 * time.Hour)
	check("and two hours", 0, 1)
	e.h.Advance(24 * time.Hour)
	check("and a day", 0, 0)
}

// What a claim spent is counted once, whoever tells of it first and however often.
func testSpend(e *env) {
	s := spend("openai", "gpt-4o", 100, 50)
	e.accept("m1", "m2")
	tell := func(c conversation.Claim) {
		e.Helper()
		if err := e.s.Spend(e.ctx, c, "zhang", []chat.Spend{s}); err != nil {
			e.Errorf("spend: %v", err)
		}
	}
	var day0 conversation.Day
	calls := func(what string, want int) {
		e.Helper()
		c := conversation.Tokens{}
		for d := conversation.Day(0); d < 2; d++ { // the case may run over midnight
			reported, _ := e.usage("acme", day0+d).Total()
			c = c.Plus(reported)
		}
		e.same(what, c, line(s, want).Tokens)
	}
	lost := e.claim("a")
	day0 = e.today(lost)
	e.die()
	c := e.claim("b")
	o := e.outcome(c, 1)
	o.User, o.Spent = "zhang", []chat.Spend{s}
	e.commit(c, o)
	e.commit(c, o)
	calls("a repeated commit", 1)
	tell(c)
	calls("told after its commit", 1)
	stale := e.outcome(lost, 1)
	stale.Spent = o.Spent
	if _, err := e.s.Commit(e.ctx, lost, stale); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("a fenced commit: %v", err)
	}
	calls("a fenced commit writes nothing", 1)
	tell(lost)
	tell(lost)
	calls("what the fenced one spent", 2)

	next := e.delivered(c, 0).Claim
	tell(*next) // handed over
	if err := e.s.Release(e.ctx, *next); err != nil {
		e.Fatal(err)
	}
	tell(*next)
	calls("what was spent before a handover", 3)
	again := e.claim("a")
	tell(again) // a commit whose answer was lost, told meanwhile
	o = e.outcome(again, 0)
	o.User, o.Spent = "zhang", []chat.Spend{s}
	e.commit(again, o)
	calls("a commit after it was told", 4)
	e.commit(again, o)
	tell(c)
	tell(lost)
	calls("late repetitions", 4)

	for what, spent := range map[string][]chat.Spend{
		"nothing": nil, "a free call": {spend("openai", "gpt-4o", 0, 0)}, "less than nothing": {spend("openai", "gpt-4o", -5, -7)},
	} {
		c := e.say(what, func(o *conversation.Outcome) { o.User, o.Spent = "zhang", spent })
		if err := e.s.Spend(e.ctx, c, "zhang", spent); err != nil {
			e.Errorf("%s: %v", what, err)
		}
		calls(what, 4)
	}
}

// Many claims of many processes at once: nothing is lost, nothing counted twice.
func testSpendConcurrently(e *env) {
	s := spend("openai", "gpt-4o", 7, 3)
	e.accept("m1")
	c := e.claim("a")
	const claims, tellers = 100, 4
	var wg sync.WaitGroup
	for t := range tellers {
		wg.Go(func() {
			for i := range claims {
				other := c
				other.Fence = 8192*int64(i%3) + int64(1000+i) // over several groups of marks
				if err := e.s.Spend(e.ctx, other, fmt.Sprint("u", i%5), []chat.Spend{s}); err != nil {
					e.Errorf("%d: %v", t, err)
				}
			}
		})
	}
	wg.Wait()
	u := e.usage("acme", e.today(c))
	e.same("items", u.Items, []conversation.ItemUsage{line(s, claims)})
	if len(u.Users) != 5 {
		e.Errorf("%d users, want 5", len(u.Users))
	}
	for _, who := range u.Users {
		e.same(who.User, who.Reported, line(s, claims/5).Tokens)
	}
}
