package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func (e *env) forget(c conversation.Claim, user string) conversation.Forgotten {
	e.Helper()
	got, err := e.s.Forget(e.ctx, c, user)
	if err != nil {
		e.Fatalf("forget: %v", err)
	}
	return got
}

// spent is an outcome's change: a turn that cost something.
func spent(user string, s ...chat.Spend) func(*conversation.Outcome) {
	return func(o *conversation.Outcome) { o.User, o.Spent, o.State.Model = user, s, "big" }
}

func testForget(e *env) {
	fast := spend("openai", "gpt-4o", 100, 40)
	e.say("m1", spent("hash", fast))
	e.h.Advance(24 * time.Hour)
	e.say("m2", spent("hash", fast, estimated(fast)))
	e.say("m3", spent("hash", own(fast)))
	e.bury("m4")
	theirs := message(zhang, "of another person in the same conversation")
	theirs.User = "zhang2"
	theirs.Text = `"conversation":{"tenant":"acme","channel":"app","id":"zhang"},"user":"zhang"`
	near := sameShard(1)[0]
	for _, m := range []chat.Message{theirs, message(near, "of another conversation")} {
		e.put(m, conversation.AcceptOptions{})
		c := e.claims("a", m.Conversation, 10)[0]
		o := e.outcome(c, 0)
		o.Turn, o.Dead = nil, "attempts"
		spent("hash2", fast)(&o)
		e.commit(c, o)
	}
	e.accept("forget", "m5")
	c := e.claim("a")
	before := e.usage("acme", e.today(c))
	if got, want := e.forget(c, "hash"), (conversation.Forgotten{Turns: 2, Letters: 1, Days: 2}); got != want {
		e.Errorf("removed %+v, want %+v", got, want) // the first turn had ended by itself
	}
	if n := len(e.letters()); n != 2 {
		e.Errorf("%d dead letters are left, want both of the others", n)
	}
	after := e.usage("acme", e.today(c))
	e.same("the tenant's sums", after.Items, before.Items)
	var users []string
	for _, u := range after.Users {
		users = append(users, u.User)
	}
	e.same("whose usage it is", users, []string{conversation.Nobody, "hash2"})

	o := e.outcome(c, 1)
	o.Turn, o.Reset = nil, true
	e.commit(c, o)
	next := e.delivered(c, 0).Claim
	if next == nil || next.Message.ID != "m5" || len(next.History) != 0 || next.State != (conversation.State{}) {
		e.Fatalf("what waits behind: %+v, want m5 without a memory", next)
	}
	e.finish(*next)

	// With nothing behind it, the record goes, too.
	e.accept("forget at last")
	c = e.claim("a")
	if got := e.forget(c, "hash"); got != (conversation.Forgotten{Turns: 1}) {
		e.Errorf("removed %+v, want the turn of m5", got)
	}
	o = e.outcome(c, 1)
	o.Turn, o.Reset = nil, true
	e.commit(c, o)
	e.delivered(c, 0)
	if _, err := e.s.Delivered(e.ctx, c, 0, claimOptions); err != nil {
		e.Errorf("repeated: %v", err)
	}
	e.h.Advance(3 * time.Second)
	if e.h.Keys != nil {
		for key := range e.h.Keys() {
			if strings.Contains(key, "zhang") && !strings.Contains(key, ":d:") {
				e.Errorf("%s is left", key)
			}
		}
	}
	e.accept("new")
	if c := e.claim("a"); len(c.History) != 0 || c.Attempt != 1 {
		e.Errorf("a new conversation: %+v", c)
	}
}

// Whoever repeats it after a crash tells the person the same.
func testForgetAgain(e *env) {
	e.say("m1", spent("hash", spend("p", "m", 1, 1)))
	e.bury("m2")
	e.accept("forget")
	want := conversation.Forgotten{Turns: 1, Letters: 1, Days: 1}
	c := e.claim("a")
	e.same("first", e.forget(c, "hash"), want)
	e.same("again", e.forget(c, "hash"), want)
	e.die()
	dead := c
	c = e.claim("b")
	if len(c.History) != 0 || c.State != (conversation.State{}) {
		e.Errorf("taken over: %+v", c)
	}
	e.same("taken over", e.forget(c, "hash"), want)
	if _, err := e.s.Forget(e.ctx, dead, "hash"); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("by the dead owner: %v, want ErrFenced", err)
	}
	e.finish(c)
	e.accept("forget once more")
	c = e.claim("b")
	e.same("another message", e.forget(c, "nobody in particular"), conversation.Forgotten{Turns: 1})
}

func testForgetFenced(e *env) {
	e.say("m1", nil)
	e.bury("m2")
	e.accept("forget")
	c := e.claim("a")
	for name, change := range map[string]func(*conversation.Claim){
		"fence": func(c *conversation.Claim) { c.Fence++ },
		"owner": func(c *conversation.Claim) { c.Owner = "b" },
	} {
		stranger := c
		change(&stranger)
		if _, err := e.s.Forget(e.ctx, stranger, "hash"); !errors.Is(err, conversation.ErrFenced) {
			e.Errorf("another %s: %v, want ErrFenced", name, err)
		}
	}
	if n := len(e.letters()); n != 1 {
		e.Errorf("%d dead letters, want 1", n)
	}
	e.same("nothing was removed", e.forget(c, "hash"), conversation.Forgotten{Turns: 1, Letters: 1})
}

// Whoever wants to be forgotten does not wait until a postponed reply is due, whether the command came before it was postponed or after.
func testForgetDoesNotWait(e *env) {
	for _, first := range []bool{false, true} {
		e.accept(fmt.Sprint("m1 ", first))
		c := e.claim("a")
		if c.Forget {
			e.Errorf("%s: to be forgotten by a command of before", c.Message.ID)
		}
		e.commit(c, e.outcome(c, 1))
		e.postpone(c, conversation.Postponement{For: time.Hour, Tries: 3})
		e.h.Advance(time.Minute)
		if got := e.stop(fmt.Sprint("stop ", first)); got.Ready {
			e.Errorf("a mere stop command: %+v", got)
		}
		e.nothingReady(zhang)
		if first {
			e.h.Advance(time.Hour)
			c = e.claim("b")
		}
		got := e.put(message(zhang, fmt.Sprint("forget ", first)), conversation.AcceptOptions{Stop: true, Forget: true})
		if got.Ready == first {
			e.Errorf("forget: ready %v", got.Ready)
		}
		if first { // its owner is trying
			e.postpone(c, conversation.Postponement{For: time.Hour, Tries: 4})
		}
		c = e.claim("c")
		if !c.Forget || c.Unfinished == nil {
			e.Fatalf("claimed %+v, want the reply, which is not to wait", c)
		}
		next, err := e.s.GiveUp(e.ctx, c, "forget", 0, claimOptions)
		if err != nil || next.Claim == nil || !next.Claim.Forget { // the mere stop command
			e.Fatalf("given up: %+v, %v", next, err)
		}
		next = conversation.Next{Claim: e.finish(*next.Claim)}
		if next.Claim == nil || next.Claim.Forget {
			e.Fatalf("next: %+v, want the command itself, which nobody hurries", next.Claim)
		}
		if got := e.forget(*next.Claim, "hash"); got.Letters != 1 {
			e.Errorf("removed %+v, want the given up message, too", got)
		}
		e.finish(*next.Claim)
		if s := e.stats(); s != (conversation.Stats{}) {
			e.Errorf("left: %+v", s)
		}
	}
}
