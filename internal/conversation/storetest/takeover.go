package storetest

import (
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func testRenew(e *env) {
	e.accept("m1")
	c := e.claim("a")
	shards := []conversation.Shard{c.Shard}
	for range 5 { // a process that renews keeps its turn for as long as it takes
		e.h.Advance(lease - time.Second)
		got, err := e.s.Renew(e.ctx, "a", shards, lease)
		if err != nil || len(got.Lost) != 0 || len(got.Stops) != 0 || got.Owns[c.Shard] != 1 {
			e.Fatalf("renew: %+v, %v", got, err)
		}
		if n := e.reap(zhang); n != 0 {
			e.Fatalf("reaped %d of a living owner", n)
		}
	}
	e.nothingReady(zhang)
	e.finish(c)
	if got, err := e.s.Renew(e.ctx, "a", nil, lease); err != nil || len(got.Lost) != 0 {
		e.Errorf("renew of nothing: %+v, %v", got, err)
	}
	// A claim keeps the lease, too.
	e.accept("m2", "m3")
	e.h.Advance(lease / 2)
	next := e.claim("a")
	e.h.Advance(lease / 2)
	if n := e.reap(zhang); n != 0 {
		e.Errorf("reaped %d, want the claim's lease to hold", n)
	}
	// A lease that ran out unnoticed is revived: nobody took anything.
	e.h.Advance(10 * lease)
	if got, err := e.s.Renew(e.ctx, "a", shards, lease); err != nil || len(got.Lost) != 0 {
		e.Errorf("renew after the end, before a reap: %+v, %v", got, err)
	}
	if n := e.reap(zhang); n != 0 {
		e.Errorf("reaped %d of a revived owner", n)
	}
	e.finish(next)
}

// A turn may take longer than anything of an idle conversation is remembered.
func testLongTurn(e *env) {
	e.accept("m1")
	e.finish(e.claim("a"))
	e.h.Advance(time.Minute)
	e.accept("m2")
	c := e.claim("a")
	e.h.Advance(24 * time.Hour)
	if next := e.finish(c); next != nil {
		e.Errorf("next: %+v", next)
	}
	e.h.Advance(time.Minute)
	e.accept("m3", "m4") // nobody takes them for as long
	e.h.Advance(24 * time.Hour)
	if next := e.finish(e.claim("a")); next == nil || next.Message.ID != "m4" {
		e.Errorf("next: %+v, want m4", next)
	}
}

func testLostLease(e *env) {
	var many []conversation.Shard
	for i := range conversation.Shards {
		many = append(many, conversation.Shard{Tenant: "acme", Index: i})
	}
	other := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "somebody"}
	if conversation.ShardOf(other) == conversation.ShardOf(zhang) {
		e.Fatal("choose another id")
	}
	e.accept("m1")
	e.put(message(other, "o1"), conversation.AcceptOptions{})
	lost := e.claim("a")
	e.h.Advance(lease / 2)
	kept := e.claims("a", other, 1)[0]
	e.h.Advance(lease/2 + time.Second) // only the first shard's lease has ended
	if n := e.reap(zhang) + e.reap(other); n != 1 {
		e.Fatalf("reaped %d, want 1", n)
	}
	got, err := e.s.Renew(e.ctx, "a", []conversation.Shard{lost.Shard, kept.Shard}, lease)
	if err != nil {
		e.Fatal(err)
	}
	e.same("renewed", got, conversation.Renewed{
		Lost: []conversation.Shard{lost.Shard}, LostFence: map[conversation.Shard]int64{lost.Shard: lost.Fence},
		Owns: map[conversation.Shard]int{kept.Shard: 1},
	})
	e.fenced(lost)
	again := e.claim("a") // claimed after the loss: above its fence
	if again.Fence <= got.LostFence[lost.Shard] || again.Attempt != 2 {
		e.Errorf("claimed again with fence %d attempt %d, want above %d, 2", again.Fence, again.Attempt, got.LostFence[lost.Shard])
	}
	if got, err := e.s.Renew(e.ctx, "a", []conversation.Shard{lost.Shard, kept.Shard}, lease); err != nil || len(got.Lost) != 0 {
		e.Errorf("renew after the new claim: %+v, %v", got, err)
	}
	if got, err := e.s.Renew(e.ctx, "never claimed", many, lease); err != nil || len(got.Lost) != conversation.Shards {
		e.Errorf("renew by a stranger: %+v, %v, want every shard lost", got, err)
	}
}

func testReap(e *env) {
	keys := sameShard(3)
	for _, k := range keys {
		e.put(message(k, "m-"+k.ID), conversation.AcceptOptions{})
	}
	a := e.claims("a", zhang, 2)
	e.h.Advance(lease / 2)
	b := e.claims("b", zhang, 2)
	if len(a) != 2 || len(b) != 1 {
		e.Fatalf("claimed %d and %d", len(a), len(b))
	}
	if n := e.reap(zhang); n != 0 {
		e.Errorf("reaped %d of the living", n)
	}
	e.h.Advance(lease/2 + time.Second)
	// The dead owner may still write until somebody reaps: nobody else has its turn.
	e.commit(a[0], e.outcome(a[0], 1))
	if n := e.reap(zhang); n != 2 {
		e.Errorf("reaped %d, want 2", n)
	}
	if n := e.reap(zhang); n != 0 {
		e.Errorf("reaped %d the second time", n)
	}
	for _, c := range a {
		e.fenced(c)
	}
	c := e.claims("c", zhang, 10)
	if len(c) != 2 || c[0].Unfinished == nil || c[1].Unfinished != nil || c[0].Attempt != 1 || c[1].Attempt != 2 {
		e.Errorf("taken over: %+v", c)
	}
	e.finish(b[0])
}

// An owner dies after each of its steps. Whoever takes over finds exactly what was done, the dead one can do nothing more, and in the end
// there is one turn in the history and nothing in the mailbox.
func testTakeover(e *env) {
	const nParts = 3
	steps := 3 + nParts // accept, claim, commit, each part
	for done := 1; done < steps; done++ {
		e.h.Advance(48 * time.Hour)
		name := fmt.Sprintf("dead after %d steps", done)
		e.accept("m1")
		var dead conversation.Claim
		var o conversation.Outcome
		if done >= 2 {
			dead = e.claim("dead")
			o = e.outcome(dead, nParts)
		}
		if done >= 3 {
			e.commit(dead, o)
		}
		e.h.Advance(time.Second)
		before := e.h.nowOf(e)
		for part := range max(0, done-3) {
			e.delivered(dead, part)
		}
		if n, want := e.die(), min(1, done-1); n != want {
			e.Errorf("%s: reaped %d, want %d", name, n, want)
		}
		c := e.claim("heir")
		if done >= 2 {
			e.fenced(dead)
			if c.Fence <= dead.Fence {
				e.Errorf("%s: fence %d after %d", name, c.Fence, dead.Fence)
			}
		}
		want := map[bool]int{true: 2, false: 1}[done == 2]
		if c.Message.ID != "m1" || c.Attempt != want {
			e.Errorf("%s: %s attempt %d, want m1 attempt %d", name, c.Message.ID, c.Attempt, want)
		}
		switch u := c.Unfinished; {
		case done < 3:
			if u != nil {
				e.Errorf("%s: unfinished reply %+v before a commit", name, u)
			}
			o = e.outcome(c, nParts)
			e.commit(c, o)
			u = &conversation.Unfinished{}
			fallthrough
		case u != nil:
			if done >= 3 {
				e.same(name+": parts", u.Parts, o.Parts)
				if u.Next != done-3 || c.Now.Sub(u.Since) < lease || done > 3 && u.Since.Before(before) {
					e.Errorf("%s: next %d since %v at %v, want %d since before the death", name, u.Next, u.Since, c.Now, done-3)
				}
			}
			for part := u.Next; part < nParts; part++ {
				e.delivered(c, part)
			}
		default:
			e.Errorf("%s: the committed reply is gone", name)
		}
		e.nothingReady(zhang)
		e.put(message(zhang, "look"), conversation.AcceptOptions{})
		look := e.claim("heir")
		e.same(name+": history", look.History, []chat.Turn{*o.Turn})
		e.commit(look, conversation.Outcome{Keep: e.keep})
	}
}

// nowOf is the store's clock, as a claim of a conversation of its own shows it.
func (h Harness) nowOf(e *env) time.Time {
	e.Helper()
	key := chat.ConversationKey{Tenant: "other", Channel: "clock", ID: "clock"}
	m := message(key, fmt.Sprint("tick ", time.Now().UnixNano()))
	e.put(m, conversation.AcceptOptions{})
	cs := e.claims("clock", key, 1)
	if len(cs) != 1 {
		e.Fatal("the clock's conversation is not ready")
	}
	e.commit(cs[0], conversation.Outcome{})
	return cs[0].Now
}

func testAttempts(e *env) {
	e.accept("m1", "m2")
	var c conversation.Claim
	for attempt := 1; attempt <= 4; attempt++ {
		c = e.claim(fmt.Sprint("owner-", attempt))
		if c.Attempt != attempt || c.Message.ID != "m1" {
			e.Fatalf("attempt %d of %s, want %d of m1", c.Attempt, c.Message.ID, attempt)
		}
		if attempt == 2 { // a handover in between does not count
			if err := e.s.Release(e.ctx, c); err != nil {
				e.Fatal(err)
			}
			if c = e.claim("handed over"); c.Attempt != 2 {
				e.Fatalf("attempt %d after a handover, want 2", c.Attempt)
			}
		}
		if attempt < 4 {
			e.die()
		}
	}
	if next := e.finish(c); next == nil || next.Attempt != 1 {
		e.Errorf("next message: %+v, want attempt 1", next)
	}
}

func testUnfinishedIsNoAttempt(e *env) {
	e.accept("m1")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 2))
	for range 5 {
		e.die()
		c = e.claim("b")
		if c.Attempt != 1 || c.Unfinished == nil {
			e.Fatalf("attempt %d, unfinished %+v, want 1 and the reply", c.Attempt, c.Unfinished)
		}
	}
	// An heir cannot compute the turn again.
	o := e.outcome(c, 1)
	o.Turn.Answer = "another answer"
	if n := e.commit(c, o); n.Claim != nil {
		e.Errorf("commit by the heir: %+v", n)
	}
	e.delivered(c, 0)
	e.delivered(c, 1)
	e.accept("m2")
	if h := e.claim("b").History; len(h) != 1 || h[0].Answer != "answer to m1" {
		e.Errorf("history: %+v, want the first answer only", h)
	}
}
