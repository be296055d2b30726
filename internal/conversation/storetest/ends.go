package storetest

import (
	"fmt"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// ends checks that whatever is stored now has a time to live, but for counters and the names of processes.
func (e *env) ends(when string) {
	e.Helper()
	keys := e.h.Keys()
	if len(keys) < 3 {
		e.Fatalf("%s: only %d keys: the case looks at the wrong place", when, len(keys))
	}
	for key, ttl := range keys {
		if ttl < 0 && !strings.HasSuffix(key, ":n") && !strings.HasSuffix(key, ":owners") {
			e.Errorf("%s: %s is kept for ever", when, key)
		}
	}
}

// Not only an idle store: at every step on the way, what names a person or holds their words has an end.
func testEverythingHasAnEnd(e *env) {
	if e.h.Keys == nil {
		e.Skip("the store has no keys")
	}
	limits := conversation.AcceptOptions{Waiting: 100, UserPerMinute: 100}
	for _, key := range slices.Concat([]chat.ConversationKey{zhang}, sameShard(2)) {
		for i := range 4 {
			m := message(key, fmt.Sprint(key.ID, i))
			m.Once, m.OnceFor = fmt.Sprint("once", m.ID), dedupe
			e.put(m, limits)
		}
	}
	e.ends("accepted")
	e.seatsOf("a").ask(conversation.SeatAsk{Limit: 5, Need: 1}, 1, 4)
	e.ends("seated")
	c := e.claims("a", zhang, 1)[0]
	e.ends("claimed")
	if err := e.s.Release(e.ctx, c); err != nil {
		e.Fatal(err)
	}
	e.ends("released")
	c = e.claims("a", zhang, 1)[0]
	e.put(message(c.Key, "stop"), conversation.AcceptOptions{Stop: true})
	e.ends("stopped")
	e.renewStops("a", c.Shard)
	e.ends("renewed")
	e.reserve(conversation.Reservation{Tenant: "acme", User: "hash", Turn: "t", Fence: c.Fence, Tokens: 5, For: dedupe, PerDay: 100}, conversation.GrantOK)
	e.ends("reserved")
	o := e.outcome(c, 2)
	spent("hash", spend("p", "m", 1, 1))(&o)
	o.Dead = "attempts"
	e.commit(c, o)
	e.ends("committed")
	e.settle(conversation.Reservation{Tenant: "acme", User: "hash", Turn: "t", Fence: c.Fence, PerDay: 100}, 5)
	e.ends("settled")
	e.delivered(c, 0)
	e.ends("a part delivered")
	e.die()
	e.ends("taken from a dead owner")
	for _, c := range e.claims("b", zhang, 10) {
		if c.Unfinished != nil {
			next := e.delivered(c, 1).Claim
			e.ends("delivered, and the next claimed")
			c = *next
		}
		if _, err := e.s.Forget(e.ctx, c, "hash"); err != nil {
			e.Fatal(err)
		}
		e.ends("forgotten")
		e.commit(c, e.outcome(c, 1))
		if err := e.s.Postpone(e.ctx, c, conversation.Postponement{For: lease, Tries: 1}); err != nil {
			e.Fatal(err)
		}
		e.ends("postponed")
	}
	e.h.Advance(2 * lease)
	id := e.giveUpOne("c")
	e.ends("given up")
	if _, err := e.s.Retry(e.ctx, []conversation.DeadID{id}); err != nil {
		e.Fatal(err)
	}
	e.ends("retried")
	e.h.Advance(dedupe)
	e.die()
	e.reap(zhang)
	e.ends("a day later")
}

// giveUpOne gives up the first reply that waits in zhang's shard.
func (e *env) giveUpOne(owner string) conversation.DeadID {
	e.Helper()
	cs := e.claims(owner, zhang, 1)
	if len(cs) != 1 {
		e.Fatal("nothing to give up")
	}
	if _, err := e.s.GiveUp(e.ctx, cs[0], "undeliverable", 0, claimOptions); err != nil {
		e.Fatal(err)
	}
	return conversation.DeadID{Shard: cs[0].Shard, Seq: cs[0].Message.Seq}
}
