package storetest

import (
	"errors"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func testTurn(e *env) {
	e.accept("m1")
	c := e.claim("a")
	o := e.outcome(c, 3)
	if n := e.commit(c, o); n.Claim != nil {
		e.Errorf("commit with parts returned a claim: %+v", n.Claim)
	}
	e.nothingReady(zhang)
	for part := range 3 {
		if n := e.delivered(c, part); n.Claim != nil {
			e.Errorf("part %d returned a claim: %+v", part, n.Claim)
		}
	}
	e.nothingReady(zhang)
	if got := e.stats(); got != (conversation.Stats{}) {
		e.Errorf("stats when all is done: %+v", got)
	}
	e.accept("m2")
	c = e.claim("a")
	e.same("history", c.History, []chat.Turn{*o.Turn})
	if c.Attempt != 1 {
		e.Errorf("attempt %d of a new message, want 1", c.Attempt)
	}
}

func testTurnWithoutParts(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	n := e.commit(c, e.outcome(c, 0))
	if n.Claim == nil || n.Claim.Message.ID != "m2" || len(n.Claim.History) != 1 || n.Claim.Fence <= c.Fence {
		e.Fatalf("next: %+v, want m2 with one turn of history", n.Claim)
	}
	e.same("repeated", e.commit(c, e.outcome(c, 0)), n)
	last := *n.Claim
	for range 2 {
		if n := e.commit(last, e.outcome(last, 0)); n.Claim != nil {
			e.Errorf("next: %+v, want none", n.Claim)
		}
	}
	e.nothingReady(zhang)
	e.accept("m3")
	if c := e.claim("a"); len(c.History) != 2 {
		e.Errorf("%d turns of history after repeated commits, want 2", len(c.History))
	}
}

func testNextMessage(e *env) {
	e.accept("m1", "m2", "m3")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 1))
	next := e.delivered(c, 0).Claim
	if next == nil || next.Message.ID != "m2" || next.Owner != "a" || next.Fence <= c.Fence || next.Attempt != 1 || next.Waits != 1 ||
		next.Handle != c.Handle || next.Key != c.Key || next.Unfinished != nil {
		e.Fatalf("next: %+v, want m2 claimed", next)
	}
	e.same("history of the next", next.History, []chat.Turn{*turnOf(c)})
	e.nothingReady(zhang)
	held, err := e.s.Owned(e.ctx, c.Shard, "a")
	if err != nil {
		e.Fatal(err)
	}
	e.same("owned", held, []conversation.Held{{Shard: c.Shard, Handle: c.Handle, Fence: next.Fence}})
	if next = e.finish(*next); next == nil || next.Message.ID != "m3" {
		e.Fatalf("next: %+v, want m3", next)
	}
	if next = e.finish(*next); next != nil {
		e.Fatalf("next: %+v, want none", next)
	}
	if held, err := e.s.Owned(e.ctx, c.Shard, "a"); err != nil || len(held) != 0 {
		e.Errorf("owned when all is done: %v, %v", held, err)
	}
}

func testPartOrder(e *env) {
	e.accept("m1")
	c := e.claim("a")
	wrong := func(part int, when string) {
		e.Helper()
		if _, err := e.s.Delivered(e.ctx, c, part, claimOptions); chat.KindOf(err) != chat.Invalid {
			e.Errorf("part %d %s: %v, want an error of kind invalid", part, when, err)
		}
	}
	wrong(0, "before the commit")
	e.commit(c, e.outcome(c, 3))
	wrong(1, "before part 0")
	wrong(2, "before part 0")
	wrong(3, "of three")
	wrong(-1, "of three")
	e.delivered(c, 0)
	wrong(2, "before part 1")
	e.delivered(c, 1)
	e.delivered(c, 0) // a late repetition
	e.delivered(c, 2)
	e.nothingReady(zhang)
}

// Each step is repeated with the same arguments, as after a lost answer: nothing changes.
func testRepeatEveryStep(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	o := e.outcome(c, 3)
	e.same("commit", e.commit(c, o), e.commit(c, o))
	other := e.outcome(c, 1)
	other.Turn.Answer = "another answer"
	e.commit(c, other) // a second commit of one turn changes nothing
	for part := range 3 {
		first := e.delivered(c, part)
		for range 2 {
			e.same("delivered", e.delivered(c, part), first)
		}
	}
	next := e.delivered(c, 2).Claim
	if next == nil || next.Message.ID != "m2" || next.Attempt != 1 {
		e.Fatalf("next: %+v, want attempt 1 of m2", next)
	}
	e.same("history", next.History, []chat.Turn{*o.Turn})
	if s := e.stats(); s.Waiting != 1 || s.Running != 1 || s.Ready != 0 {
		e.Errorf("stats: %+v, want one waiting and running", s)
	}
	if n := e.finish(*next); n != nil {
		e.Errorf("next: %+v, want none", n)
	}
	for range 2 {
		if n := e.delivered(*next, 0); n.Claim != nil {
			e.Errorf("repeated last part: %+v, want released", n.Claim)
		}
	}
	e.fenced(c) // two messages back: it is over
}

// The answer of the step that claimed the next message was lost. The owner learns of its claim by repeating the step, and only it, and only
// while the claim is still its own.
func testRepeatLastStep(e *env) {
	setup := func() (c conversation.Claim, next conversation.Claim) {
		e.h.Advance(25 * time.Hour)
		e.accept("m1", "m2")
		c = e.claim("a")
		next = *e.finish(c)
		return c, next
	}
	c, next := setup()
	e.same("right after", *e.delivered(c, 0).Claim, next)
	e.same("by commit", *e.commit(c, e.outcome(c, 1)).Claim, next)
	stranger := c
	stranger.Owner = "b"
	e.fenced(stranger)
	o := e.outcome(next, 2)
	e.commit(next, o)
	if again := e.delivered(c, 0).Claim; again == nil || again.Unfinished == nil || again.Fence != next.Fence {
		e.Errorf("after its commit: %+v, want the same claim with its reply", again)
	}
	e.delivered(next, 0)
	e.delivered(next, 1)
	e.fenced(c)

	c, next = setup()
	if err := e.s.Release(e.ctx, next); err != nil {
		e.Fatal(err)
	}
	if n := e.delivered(c, 0); n.Claim != nil {
		e.Errorf("after the next was released: %+v, want no claim", n.Claim)
	}
	b := e.claim("b")
	if n := e.delivered(c, 0); n.Claim != nil {
		e.Errorf("after the next was claimed by another: %+v, want no claim", n.Claim)
	}
	if b.Message.ID != "m2" || b.Attempt != 1 {
		e.Errorf("claimed %s attempt %d, want m2 attempt 1", b.Message.ID, b.Attempt)
	}
	e.finish(b)
	e.fenced(c)

	c, _ = setup()
	e.die()
	if n := e.delivered(c, 0); n.Claim != nil {
		e.Errorf("after the owner was reaped: %+v, want no claim", n.Claim)
	}
	again := e.claim("a") // by the same owner: a claim of its own, with its own fence
	if n := e.delivered(c, 0); n.Claim != nil {
		e.Errorf("after a new claim: %+v, want no claim from the old step", n.Claim)
	}
	if again.Attempt != 2 {
		e.Errorf("attempt %d, want 2", again.Attempt)
	}
	e.finish(again)
}

func testRepeatTooLate(e *env) {
	e.accept("m1")
	c := e.claim("a")
	e.finish(c)
	e.h.Advance(5 * time.Minute)
	e.delivered(c, 0)
	e.h.Advance(time.Hour)
	if _, err := e.s.Delivered(e.ctx, c, 0, claimOptions); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("an hour later: %v, want ErrFenced", err)
	}
}
