package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// reservation is zhang's, under a cap of 1000 tokens a day for acme.
func reservation(turn string, tokens int) conversation.Reservation {
	return conversation.Reservation{Tenant: "acme", User: "zhang", Turn: turn, Fence: 1, Tokens: tokens, For: 5 * time.Minute, PerDay: 1000}
}

func (e *env) reserve(r conversation.Reservation, want conversation.Grant) conversation.Granted {
	e.Helper()
	got, err := e.s.Reserve(e.ctx, r)
	if err != nil {
		e.Fatalf("reserve: %v", err)
	}
	if got.Grant != want {
		e.Fatalf("reserve %d for %s of %s: %q, want %q", r.Tokens, r.Turn, r.User, got.Grant, want)
	}
	return got
}

func (e *env) settle(r conversation.Reservation, tokens int) {
	e.Helper()
	if err := e.s.Settle(e.ctx, r, tokens); err != nil {
		e.Fatalf("settle: %v", err)
	}
}

// budget is zhang's, on the day that opens gives the end of.
func (e *env) budget(opens time.Time) conversation.Budget {
	e.Helper()
	b, err := e.s.Budget(e.ctx, "acme", "zhang", conversation.DayOf(opens)-1)
	if err != nil {
		e.Fatalf("budget: %v", err)
	}
	return b
}

func testBudget(e *env) {
	a, b, c := reservation("a", 400), reservation("b", 600), reservation("c", 1)
	opens := e.reserve(a, conversation.GrantOK).Opens
	e.reserve(a, conversation.GrantOK) // a repetition takes nothing more
	e.reserve(b, conversation.GrantOK) // just fits
	e.reserve(c, conversation.GrantHeld)
	e.settle(a, 250)
	c.Tokens = 150
	e.reserve(c, conversation.GrantOK) // what a did not need
	d := reservation("d", 1)
	e.reserve(d, conversation.GrantHeld)
	e.settle(b, 700) // more than its estimate
	e.settle(c, 0)   // it failed, and cost nothing
	e.same("budget", e.budget(opens), conversation.Budget{Spent: 950, User: 950})
	big := reservation("e", 500)
	e.reserve(big, conversation.GrantOK) // nothing else is in flight: the last 50 can be used
	e.reserve(d, conversation.GrantHeld)
	e.settle(big, 49)
	e.reserve(big, conversation.GrantHeld) // a request that was under way for long: it must hold nothing
	e.reserve(reservation("e2", 500), conversation.GrantOK)
	e.settle(reservation("e2", 500), 0)
	big.Fence = 2
	e.reserve(big, conversation.GrantOK)
	e.settle(big, 300)
	for _, tokens := range []int{1, 5000} {
		e.reserve(reservation("f", tokens), conversation.GrantTenantFull)
	}
	r := reservation("f", 1)
	r.PerDay = 0 // the cap was lifted
	e.reserve(r, conversation.GrantOK)
	r.PerDay = 1300 // and put in force again
	r.Turn = "g"
	e.reserve(r, conversation.GrantHeld)
	r.Tenant = "other"
	e.reserve(r, conversation.GrantOK)
	e.same("another's budget", e.budget(opens), conversation.Budget{Spent: 1299, User: 1299})
}

func testBudgetUser(e *env) {
	of := func(user, turn string, tokens int) conversation.Reservation {
		r := reservation(turn, tokens)
		r.User, r.UserCap, r.PerDay = user, 100, 250
		return r
	}
	e.reserve(of("zhang", "1", 80), conversation.GrantOK)
	e.reserve(of("zhang", "2", 30), conversation.GrantHeld)
	e.reserve(of("li:u", "3", 100), conversation.GrantOK)
	e.reserve(of("wang", "4", 71), conversation.GrantHeld) // by the tenant's cap
	e.reserve(of("wang", "4", 70), conversation.GrantOK)
	e.settle(of("zhang", "1", 80), 100)
	e.reserve(of("zhang", "5", 1), conversation.GrantUserFull)
	e.settle(of("li:u", "3", 100), 90)
	opens := e.reserve(of("li:u", "6", 10), conversation.GrantHeld).Opens // wang still holds 70, 60 are left
	e.settle(of("wang", "4", 70), 10)
	e.reserve(of("li:u", "6", 10), conversation.GrantOK)
	e.settle(of("li:u", "6", 10), 10)
	b, err := e.s.Budget(e.ctx, "acme", "li:u", conversation.DayOf(opens)-1)
	if err != nil {
		e.Fatal(err)
	}
	e.same("budget", b, conversation.Budget{Spent: 210, User: 100})
	r := of("zhang", "7", 1)
	r.UserCap = 0
	e.reserve(r, conversation.GrantOK)
}

// At midnight in Beijing every budget is whole again; what is in flight then counts on the day it ends.
func testBudgetDays(e *env) {
	r := reservation("a", 900)
	opens := e.reserve(r, conversation.GrantOK).Opens
	e.settle(r, 1000)
	e.reserve(reservation("b", 1), conversation.GrantTenantFull)
	e.accept("m1")
	now := e.claim("a").Now
	if left := opens.Sub(now); left <= 0 || left > 24*time.Hour || opens.UTC().Format(time.TimeOnly) != "16:00:00" {
		e.Errorf("it is %v, opens at %v", now, opens)
	}
	e.h.Advance(opens.Sub(now) - time.Minute)
	e.reserve(reservation("b", 1), conversation.GrantTenantFull)
	free := reservation("over midnight", 300)
	free.PerDay = 0
	e.reserve(free, conversation.GrantOK)
	e.h.Advance(time.Minute + time.Second)
	next := e.reserve(reservation("b", 700), conversation.GrantOK).Opens
	if next.Sub(opens) != 24*time.Hour {
		e.Errorf("opens at %v and then at %v", opens, next)
	}
	e.reserve(reservation("c", 1), conversation.GrantHeld)
	e.settle(free, 200)
	e.same("the new day", e.budget(next), conversation.Budget{Spent: 200, User: 200})
}

// A crash between reserve and settle keeps tokens from others for a while, not for the day; who takes the turn over has them at once.
func testReservationsEnd(e *env) {
	crashed := reservation("a", 1000)
	opens := e.reserve(crashed, conversation.GrantOK).Opens
	e.reserve(reservation("b", 1), conversation.GrantHeld)
	taken := crashed
	taken.Fence, taken.Tokens = 7, 990
	e.reserve(taken, conversation.GrantOK) // by another replica, in its place
	late := crashed
	late.Tokens = 1
	e.reserve(late, conversation.GrantHeld) // by the first one, which does not know yet: the turn is not its any more
	e.reserve(reservation("b", 10), conversation.GrantOK)
	e.settle(crashed, 20) // it lived after all: what it spent counts, what the other has reserved stays
	e.reserve(reservation("c", 1), conversation.GrantHeld)
	e.h.Advance(4 * time.Minute)
	e.reserve(reservation("c", 1), conversation.GrantHeld)
	e.h.Advance(2 * time.Minute)
	e.reserve(reservation("c", 980), conversation.GrantOK)
	e.reserve(reservation("d", 1), conversation.GrantHeld)
	e.settle(taken, 30) // later than its reservation
	e.same("budget", e.budget(opens), conversation.Budget{Spent: 50, User: 50})
	e.settle(reservation("c", 980), 0)
	e.reserve(reservation("d", 950), conversation.GrantOK)
}

func testSettleOnce(e *env) {
	r := reservation("a", 100)
	opens := e.reserve(r, conversation.GrantOK).Opens
	for range 3 {
		e.settle(r, 70)
	}
	again := r
	again.Fence = 2 // the turn was computed again
	e.reserve(again, conversation.GrantOK)
	for range 2 {
		e.settle(again, 5)
		e.settle(r, 70)
	}
	never := reservation("never reserved", 1)
	for range 2 {
		e.settle(never, 3)
	}
	never.Turn = "less than nothing"
	e.settle(never, -100)
	e.same("budget", e.budget(opens), conversation.Budget{Spent: 78, User: 78})
	e.reserve(reservation("b", 922), conversation.GrantOK)
	e.reserve(reservation("c", 1), conversation.GrantHeld)
}

// Many turns at once: the cap is not overrun, for their estimates are right, and it can be used up.
func testBudgetConcurrently(e *env) {
	const each = 30
	var spent, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				r := reservation(fmt.Sprint(i, "/", n), each)
				got, err := e.s.Reserve(e.ctx, r)
				switch {
				case err != nil:
					e.Errorf("reserve: %v", err)
					return
				case got.Grant == conversation.GrantTenantFull:
					refused.Add(1)
					return
				case got.Grant == conversation.GrantHeld:
					time.Sleep(time.Millisecond)
					continue
				}
				spent.Add(each)
				if err := e.s.Settle(e.ctx, r, each); err != nil {
					e.Errorf("settle: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := spent.Load(); n < 1000 || n > 1000+each || refused.Load() != 8 {
		e.Errorf("%d of 1000 tokens spent and %d refused, want the cap and at most one turn more", n, refused.Load())
	}
}

func testBudgetRefuses(e *env) {
	for what, change := range map[string]func(*conversation.Reservation){
		"no turn": func(r *conversation.Reservation) { r.Turn = "" }, "no tokens": func(r *conversation.Reservation) { r.Tokens = 0 },
		"fewer":       func(r *conversation.Reservation) { r.Tokens = -3 },
		"for no time": func(r *conversation.Reservation) { r.For = 0 }, "for ever": func(r *conversation.Reservation) { r.For = 25 * time.Hour },
	} {
		r := reservation("a", 1000)
		change(&r)
		if _, err := e.s.Reserve(e.ctx, r); err == nil || chat.KindOf(err) != chat.Invalid {
			e.Errorf("%s: %v, want an error of kind invalid", what, err)
		}
	}
	e.reserve(reservation("b", 1000), conversation.GrantOK) // nothing was reserved
}
