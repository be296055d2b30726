package storetest

import (
	"errors"
	"math/rand/v2"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

var pace = chat.Pace{Burst: 3, Every: 4 * time.Second}

// paced is a reply of n parts on a channel with a pace.
func (e *env) paced(c conversation.Claim, n int) conversation.Outcome {
	o := e.outcome(c, n)
	o.Claim.Pace = pace
	return o
}

func (e *env) intend(c conversation.Claim) conversation.Next {
	e.Helper()
	n, err := e.s.Intend(e.ctx, c, pace)
	if err != nil {
		e.Fatalf("intend %s with fence %d: %v", c.Message.ID, c.Fence, err)
	}
	return n
}

func (e *env) postpone(c conversation.Claim, p conversation.Postponement) {
	e.Helper()
	if err := e.s.Postpone(e.ctx, c, p); err != nil {
		e.Fatalf("postpone %s with fence %d: %v", c.Message.ID, c.Fence, err)
	}
}

// about checks a wait: a real store's clock runs meanwhile.
func (e *env) about(what string, got, want time.Duration) {
	e.Helper()
	if got > want || got < want-3*time.Second {
		e.Errorf("%s: wait %v, want %v", what, got, want)
	}
}

// A burst goes at once, then one part in each interval: over parts, messages, owners and repetitions alike.
func testPace(e *env) {
	e.accept("m1", "m2", "m3")
	opt := claimOptions
	opt.Pace = pace
	c := e.claim("a")
	e.about("first part", e.commit(c, e.paced(c, 2)).Wait, 0)
	second, err := e.s.Delivered(e.ctx, c, 0, opt)
	if err != nil {
		e.Fatal(err)
	}
	e.about("second part", second.Wait, 0)
	next, err := e.s.Delivered(e.ctx, c, 1, opt)
	if err != nil || next.Claim == nil || next.Wait != 0 {
		e.Fatalf("the last part intends none: %+v, %v", next, err)
	}
	c = *next.Claim
	e.about("first part of the next reply, the burst's last", e.commit(c, e.paced(c, 2)).Wait, 0)
	fourth, err := e.s.Delivered(e.ctx, c, 0, opt)
	if err != nil {
		e.Fatal(err)
	}
	e.about("over the burst", fourth.Wait, 4*time.Second)
	again, err := e.s.Delivered(e.ctx, c, 0, opt)
	if err != nil || again.Wait > fourth.Wait {
		e.Errorf("the same step again: wait %v, %v, want what is left of %v", again.Wait, err, fourth.Wait)
	}
	e.about("the same step again", again.Wait, 4*time.Second)
	e.about("another try takes another place", e.intend(c).Wait, 8*time.Second)
	e.die() // and so does another owner's
	heir := e.claim("b")
	e.about("an heir's", e.intend(heir).Wait, 12*time.Second-lease-time.Second)

	unpaced, err := e.s.Intend(e.ctx, heir, chat.Pace{})
	if err != nil || unpaced.Wait != 0 {
		e.Errorf("without a pace: wait %v, %v", unpaced.Wait, err)
	}
	e.h.Advance(time.Hour)
	e.reap(zhang)
	heir = e.claim("c")
	for range 3 {
		e.about("after an hour", e.intend(heir).Wait, 0)
	}
	if n := e.intend(heir); n.Wait == 0 {
		e.Error("the burst has no end")
	}
	// Another conversation has its own.
	other := sameShard(1)[0]
	e.put(message(other, "o1"), conversation.AcceptOptions{})
	o := e.claims("d", zhang, 1)
	if len(o) != 1 {
		e.Fatalf("claimed %d", len(o))
	}
	e.about("another conversation", e.commit(o[0], e.paced(o[0], 1)).Wait, 0)
}

// Whatever happens between two sends, no time holds more of them than the pace says.
func testPaceHolds(e *env) {
	seed := uint64(time.Now().UnixNano())
	e.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	opt := claimOptions
	opt.Pace = pace
	var sent []time.Time
	send := func(wait time.Duration) {
		if wait > 2*pace.Every {
			e.Errorf("wait %v after %d sends", wait, len(sent))
		}
		e.h.Advance(wait)
		if r.IntN(3) == 0 { // it takes its time
			e.h.Advance(time.Duration(r.Int64N(int64(6 * time.Second))))
		}
		sent = append(sent, e.h.nowOf(e))
	}
	e.accept("m")
	c := e.claim("a")
	for i := 0; len(sent) < 60; i++ {
		if _, err := e.s.Renew(e.ctx, "a", []conversation.Shard{c.Shard}, time.Hour); err != nil {
			e.Fatal(err)
		}
		e.accept("next " + time.Duration(i).String())
		parts := 1 + r.IntN(4)
		send(e.commit(c, e.paced(c, parts)).Wait)
		for part := 0; part < parts; part++ {
			if r.IntN(4) == 0 {
				send(e.intend(c).Wait)
			}
			if r.IntN(8) == 0 {
				e.postpone(c, conversation.Postponement{For: time.Second})
				e.h.Advance(2 * time.Second)
				c = e.claim("a")
				send(e.intend(c).Wait)
			}
			n, err := e.s.Delivered(e.ctx, c, part, opt)
			if err != nil {
				e.Fatal(err)
			}
			if part == parts-1 {
				c = *n.Claim
				break
			}
			send(n.Wait)
		}
		if r.IntN(10) == 0 {
			e.h.Advance(time.Duration(r.Int64N(int64(30 * time.Second))))
		}
	}
	for i, from := range sent {
		for n, t := range sent[i:] {
			if most := pace.Burst + 1 + int(t.Sub(from)/pace.Every); n+1 > most {
				e.Fatalf("%d sends within %v, want at most %d: %v", n+1, t.Sub(from), most, sent[i:i+n+1])
			}
		}
	}
}

func testPostpone(e *env) {
	e.accept("m1")
	c := e.claim("a")
	o := e.outcome(c, 2)
	e.commit(c, o)
	e.delivered(c, 0)
	e.postpone(c, conversation.Postponement{For: 30 * time.Second, Tries: 7})
	e.fenced(c)
	if s := e.stats(); s != (conversation.Stats{Waiting: 1, Postponed: 1}) {
		e.Errorf("stats: %+v, want one postponed", s)
	}
	if got := e.put(message(zhang, "m2"), conversation.AcceptOptions{}); got.Ready {
		e.Error("a message to a postponed conversation made it ready")
	}
	e.stop("stop")
	e.nothingReady(zhang)
	e.h.Advance(20 * time.Second)
	if n := e.reap(zhang); n != 0 {
		e.Errorf("reaped %d, want a postponed conversation left alone", n)
	}
	e.nothingReady(zhang)
	e.h.Advance(11 * time.Second)
	if s := e.stats(); s.Ready != 1 || s.Postponed != 0 || s.Oldest > 10*time.Second {
		e.Errorf("stats: %+v, want one ready since it was due", s)
	}
	b := e.claim("b")
	u := b.Unfinished
	if b.Message.ID != "m1" || b.Attempt != 1 || b.Waits != 2 || b.Fence <= c.Fence || u == nil {
		e.Fatalf("claimed %+v, want m1 with its reply, no further attempt, and two behind it", b)
	}
	if u.Next != 1 || u.Tries != 7 || !u.Since.After(b.Now) {
		e.Errorf("next %d, tries %d, since %v at %v, want part 1 after 7 tries, certainly not sent", u.Next, u.Tries, u.Since, b.Now)
	}
	e.same("parts", u.Parts, o.Parts)

	// With the intent it may have been sent.
	e.about("intend", e.intend(b).Wait, 0)
	e.die()
	d := e.claim("d")
	if u := d.Unfinished; u.Since.After(d.Now) || u.Since.Before(b.Now.Add(-time.Second)) || u.Tries != 7 {
		e.Errorf("since %v, claimed %v, tries %d, want since the intent", u.Since, d.Now, u.Tries)
	}
	if n := e.delivered(d, 1); n.Claim == nil || n.Claim.Message.ID != "m2" {
		e.Errorf("next: %+v, want m2", n)
	}
}

// What may have been shown is told to whoever goes on, however often it is postponed and tried again; a part of its own has its own tries.
func testPostponeMaybe(e *env) {
	e.accept("m1")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 2))
	first := e.h.nowOf(e)
	for range 3 {
		e.h.Advance(10 * time.Second)
		e.postpone(c, conversation.Postponement{For: time.Second, Maybe: true, Tries: 3})
		e.h.Advance(2 * time.Second)
		c = e.claim("b")
		e.intend(c)
	}
	if u := c.Unfinished; u.Since.After(first.Add(time.Second)) || u.Since.Before(first.Add(-3*time.Second)) {
		e.Errorf("since %v, want since the first intent, %v", u.Since, first)
	}
	e.delivered(c, 0)
	e.die()
	if u := e.claim("d").Unfinished; u.Next != 1 || u.Tries != 0 {
		e.Errorf("next %d after %d tries, want part 1, not tried", u.Next, u.Tries)
	}
}

func testPostponeOrder(e *env) {
	keys := sameShard(3)
	for i, k := range keys[:2] {
		e.put(message(k, "m-"+k.ID), conversation.AcceptOptions{})
		c := e.claims("a", zhang, 1)[0]
		e.commit(c, e.outcome(c, 1))
		e.postpone(c, conversation.Postponement{For: time.Duration(60-20*i) * time.Second}) // the first is due last
	}
	e.h.Advance(50 * time.Second)
	e.put(message(keys[2], "m-"+keys[2].ID), conversation.AcceptOptions{})
	e.h.Advance(11 * time.Second)
	cs, err := e.s.Claim(e.ctx, []conversation.Shard{conversation.ShardOf(zhang)}, "b", 10, conversation.ClaimOptions{Lease: lease})
	if err != nil {
		e.Fatal(err)
	}
	var order []string
	for _, c := range cs {
		order = append(order, c.Key.ID)
	}
	e.same("claimed", order, []string{keys[1].ID, keys[2].ID, keys[0].ID})
}

func testReplyRefuses(e *env) {
	e.accept("m1")
	c := e.claim("a")
	if _, err := e.s.Intend(e.ctx, c, pace); chat.KindOf(err) != chat.Invalid || err == nil {
		e.Errorf("intend without a reply: %v, want kind invalid", err)
	}
	if err := e.s.Postpone(e.ctx, c, conversation.Postponement{For: time.Second}); chat.KindOf(err) != chat.Invalid || err == nil {
		e.Errorf("postpone without a reply: %v, want kind invalid", err)
	}
	e.commit(c, e.outcome(c, 1))
	e.die()
	d := e.claim("b")
	if _, err := e.s.Intend(e.ctx, c, pace); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("intend of a fenced claim: %v, want ErrFenced", err)
	}
	e.postpone(c, conversation.Postponement{For: time.Hour}) // changes nothing
	if _, err := e.s.GiveUp(e.ctx, c, "late", 0, claimOptions); !errors.Is(err, conversation.ErrFenced) {
		e.Errorf("give up of a fenced claim: %v, want ErrFenced", err)
	}
	e.delivered(d, 0)
	e.nothingReady(zhang)
	if s := e.stats(); s != (conversation.Stats{}) {
		e.Errorf("stats: %+v, want nothing left", s)
	}
}

func testGiveUp(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	e.commit(c, e.outcome(c, 3))
	e.delivered(c, 0)
	first, err := e.s.GiveUp(e.ctx, c, "undeliverable \"60020\"\n", time.Hour, claimOptions)
	if err != nil || first.Claim == nil || first.Claim.Message.ID != "m2" || first.Claim.Unfinished != nil || len(first.Claim.History) != 1 {
		e.Fatalf("next: %+v, %v, want m2 with the turn in its history", first.Claim, err)
	}
	again, err := e.s.GiveUp(e.ctx, c, "undeliverable", time.Hour, claimOptions)
	if err != nil {
		e.Fatal(err)
	}
	e.same("repeated", again, first)
	letters, err := e.s.DeadLetters(e.ctx, "acme", 10)
	if err != nil || len(letters) != 1 {
		e.Fatalf("dead letters: %+v, %v, want one", letters, err)
	}
	if l := letters[0]; l.Message.ID != "m1" || l.Message.Text != "text of m1" || l.Reason != "undeliverable \"60020\"\n" {
		e.Errorf("dead letter: %+v", l)
	}
	if n := e.finish(*first.Claim); n != nil {
		e.Errorf("next: %+v, want none", n)
	}
	e.h.Advance(2 * time.Hour)
	if s := e.stats(); s != (conversation.Stats{}) {
		e.Errorf("stats: %+v, want the letter forgotten", s)
	}
}

// A message that was kept with its commit, and whose reply is given up besides, is one dead letter: two of one id would be retried twice.
func testGiveUpOnce(e *env) {
	e.accept("m1", "m2")
	c := e.claim("a")
	o := e.outcome(c, 1)
	o.Turn, o.Dead = nil, "attempts"
	e.commit(c, o)
	next, err := e.s.GiveUp(e.ctx, c, "undeliverable", 0, claimOptions)
	if err != nil || next.Claim == nil || next.Claim.Message.ID != "m2" {
		e.Fatalf("given up: %+v, %v", next, err)
	}
	letters := e.letters()
	if len(letters) != 1 || letters[0].Reason != "attempts" {
		e.Fatalf("dead letters: %+v, want the first one's only", letters)
	}
	ids := idsOf(letters)
	e.same("retried", must(e.s.Retry(e.ctx, ids)), ids)
	if s := e.stats(); s.Waiting != 2 || s.Dead != 0 {
		e.Errorf("stats: %+v, want m2 and m1 once", s)
	}
	// The next message has a letter of its own, and so has the first when it comes again.
	c = *next.Claim
	for range 2 {
		e.commit(c, e.outcome(c, 1))
		next, err = e.s.GiveUp(e.ctx, c, "undeliverable", 0, claimOptions)
		if err != nil {
			e.Fatal(err)
		}
		if next.Claim != nil {
			c = *next.Claim
		}
	}
	if s := e.stats(); s.Waiting != 0 || s.Dead != 2 {
		e.Errorf("stats: %+v, want both given up", s)
	}
}
