package storetest

import (
	"context"
	"time"

	"parley/internal/conversation"
)

// notice waits for a stop notice; a second is far more than any store needs, and only a failing test waits that long.
func (e *env) notice(ch <-chan conversation.Held) (conversation.Held, bool) {
	select {
	case h, ok := <-ch:
		return h, ok
	case <-time.After(5 * time.Second):
		return conversation.Held{}, false
	}
}

func (e *env) renewStops(owner string, sh conversation.Shard) []conversation.Held {
	e.Helper()
	got, err := e.s.Renew(e.ctx, owner, []conversation.Shard{sh}, lease)
	if err != nil {
		e.Fatal(err)
	}
	return got.Stops
}

func served() []string { return Tenants }

func testStopRunning(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	mine, others := e.s.Stops(ctx, "a", served), e.s.Stops(ctx, "b", served)
	foreign := e.s.Stops(ctx, "a", func() []string { return []string{"other"} })
	e.accept("m1")
	c := e.claim("a")
	if s := e.renewStops("a", c.Shard); len(s) != 0 {
		e.Errorf("stops before a stop: %v", s)
	}
	want := conversation.Held{Shard: c.Shard, Handle: c.Handle, Fence: c.Fence}
	e.stop("stop")
	if got, ok := e.notice(mine); !ok || got != want {
		e.Errorf("notice: %+v, %v, want %+v", got, ok, want)
	}
	for range 2 { // until it is dealt with
		e.same("stops on renew", e.renewStops("a", c.Shard), []conversation.Held{want})
	}
	e.accept("m2") // behind the stop command: not stopped

	// Whoever takes over learns it, too.
	e.die()
	c = e.claim("b")
	if !c.Stopped || c.Message.ID != "m1" {
		e.Fatalf("taken over: %+v, want m1 stopped", c)
	}
	if s := e.renewStops("b", c.Shard); len(s) != 0 {
		e.Errorf("stops on renew: %v, want none: the claim said it", s)
	}
	next := e.finish(c)
	if next == nil || next.Stopped || !next.Message.Stops || next.Message.ID != "stop" {
		e.Fatalf("next: %+v, want the stop command, having found something", next)
	}
	if s := e.renewStops("b", c.Shard); len(s) != 0 {
		e.Errorf("stops after the stopped turn: %v", s)
	}
	if next = e.finish(*next); next == nil || next.Stopped || next.Message.ID != "m2" {
		e.Fatalf("next: %+v, want m2, not stopped", next)
	}
	select {
	case h := <-others:
		e.Errorf("another owner was told of %+v", h)
	case h := <-foreign:
		e.Errorf("who serves another tenant was told of %+v", h)
	default:
	}
}

func testStopWaiting(e *env) {
	e.accept("m1", "m2", "m3")
	e.stop("stop")
	e.accept("m4")
	c := e.claim("a")
	for _, want := range []struct {
		id             string
		stopped, stops bool
	}{{"m1", true, false}, {"m2", true, false}, {"m3", true, false}, {"stop", false, true}, {"m4", false, false}} {
		if c.Message.ID != want.id || c.Stopped != want.stopped || c.Message.Stops != want.stops {
			e.Errorf("%s: stopped %v, stops %v, want %+v", c.Message.ID, c.Stopped, c.Message.Stops, want)
		}
		if next := e.finish(c); next != nil {
			c = *next
		}
	}
	e.nothingReady(zhang)
	e.accept("m5")
	if c := e.claim("a"); c.Stopped {
		e.Error("a later message is stopped by an old stop command")
	}
}

func testStopNothing(e *env) {
	e.stop("first")
	c := e.claim("a")
	if c.Message.Stops || c.Stopped {
		e.Errorf("a stop command in an empty conversation: %+v", c)
	}
	e.stop("second") // only a stop command before it
	if s := e.renewStops("a", c.Shard); len(s) != 0 {
		e.Errorf("a stop command stops a stop command: %v", s)
	}
	next := e.finish(c)
	if next == nil || next.Message.Stops || next.Stopped {
		e.Fatalf("the second stop command: %+v, want it to have found nothing", next)
	}
	e.accept("m1")
	e.stop("third")
	e.stop("fourth") // m1 is stopped already
	next = e.finish(*next)
	if next == nil || !next.Stopped {
		e.Fatalf("m1: %+v, want it stopped", next)
	}
	if next = e.finish(*next); next == nil || !next.Message.Stops || next.Stopped {
		e.Fatalf("third: %+v, want it to have found m1", next)
	}
	if next = e.finish(*next); next == nil || next.Message.Stops || next.Stopped {
		e.Fatalf("fourth: %+v, want it to have found nothing new", next)
	}
}

// A turn that was answered all the same is not stopped any more.
func testStopTooLate(e *env) {
	e.accept("m1")
	c := e.claim("a")
	e.stop("stop")
	e.commit(c, e.outcome(c, 1))
	if s := e.renewStops("a", c.Shard); len(s) != 0 {
		e.Errorf("stops after the commit: %v, want none", s)
	}
	e.delivered(c, 0)
}

// A reply that is on its way cannot be stopped any more.
func testStopAfterAnswer(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	notices := e.s.Stops(ctx, "a", served)
	e.accept("m1")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 2))
	e.stop("stop")
	if s := e.renewStops("a", c.Shard); len(s) != 0 {
		e.Errorf("stops: %v, want none", s)
	}
	e.delivered(c, 0)
	next := e.delivered(c, 1).Claim
	if next == nil || next.Message.Stops {
		e.Errorf("the stop command: %+v, want it to have found nothing", next)
	}
	select {
	case h := <-notices:
		e.Errorf("notice %+v", h)
	default:
	}
	// But what waits behind the reply can.
	e.h.Advance(25 * time.Hour)
	e.die()
	c = e.claim("a")
	e.finish(c)
	e.accept("m1", "m2")
	c = e.claim("a")
	e.commit(c, e.outcome(c, 1))
	e.stop("stop")
	if next := e.delivered(c, 0).Claim; next == nil || !next.Stopped || next.Message.ID != "m2" {
		e.Fatalf("m2: %+v, want it stopped", next)
	} else if next = e.finish(*next); next == nil || !next.Message.Stops {
		e.Errorf("the stop command: %+v, want it to have found m2", next)
	}
}

func testStopsEnd(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	ch := e.s.Stops(ctx, "a", served)
	cancel()
	if h, ok := e.notice(ch); ok {
		e.Errorf("notice %+v after the end", h)
	}
	select {
	case _, open := <-ch:
		if open {
			e.Error("the channel is open after the end")
		}
	case <-time.After(5 * time.Second):
		e.Error("the channel is not closed after the end")
	}
	e.accept("m1")
	e.claim("a")
	e.stop("stop") // nobody listens: fine
}
