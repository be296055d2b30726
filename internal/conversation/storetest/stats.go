package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func testStats(e *env) {
	if s := e.stats(); s != (conversation.Stats{}) {
		e.Errorf("an empty store: %+v", s)
	}
	for i := range 20 { // over several shards
		key := chat.ConversationKey{Tenant: "acme", Channel: "app", ID: fmt.Sprint("u", i)}
		for j := range 2 {
			e.put(message(key, fmt.Sprint(i, "-", j)), conversation.AcceptOptions{})
		}
		e.h.Advance(time.Second)
	}
	s := e.stats()
	if s.Oldest < 19*time.Second || s.Oldest > time.Hour {
		e.Errorf("oldest %v, want about 20 s", s.Oldest)
	}
	if s.Oldest = 0; s != (conversation.Stats{Waiting: 40, Ready: 20}) {
		e.Errorf("accepted: %+v", s)
	}
	running := 0
	var last conversation.Claim
	for i := range conversation.Shards {
		for _, c := range e.claims("a", chat.ConversationKey{Tenant: "acme"}, 0) {
			e.Errorf("claimed %v", c)
		}
		cs, err := e.s.Claim(e.ctx, []conversation.Shard{{Tenant: "acme", Index: i}}, "a", 1, claimOptions)
		if err != nil {
			e.Fatal(err)
		}
		running += len(cs)
		if len(cs) == 1 {
			last = cs[0]
		}
	}
	s = e.stats()
	if s.Oldest = 0; s != (conversation.Stats{Waiting: 40, Ready: 20 - running, Running: running}) {
		e.Errorf("claimed %d: %+v", running, s)
	}
	e.commit(last, e.outcome(last, 1))
	if s := e.stats(); s.Waiting != 40 || s.Running != running {
		e.Errorf("committed: %+v, want the message still waiting for its delivery", s)
	}
	e.delivered(last, 0)
	if s := e.stats(); s.Waiting != 39 || s.Running != running {
		e.Errorf("delivered: %+v, want one less waiting and the next claimed", s)
	}
}

func testTenantsApart(e *env) {
	mine, theirs := zhang, zhang
	theirs.Tenant = "other"
	e.put(message(mine, "m1"), conversation.AcceptOptions{Waiting: 1, UserPerMinute: 1})
	if got := e.put(message(theirs, "m1"), conversation.AcceptOptions{Waiting: 1, UserPerMinute: 1}); got.Duplicate || got.Shed != "" || !got.Ready {
		e.Errorf("the same message to another tenant: %+v", got)
	}
	if s := e.stats(); s.Waiting != 1 || s.Ready != 1 {
		e.Errorf("stats: %+v, want one message", s)
	}
	c := e.claims("a", mine, 10)
	if len(c) != 1 || c[0].Key != mine {
		e.Fatalf("claimed %+v, want acme's only", c)
	}
	e.finish(c[0])
	if c := e.claims("a", theirs, 10); len(c) != 1 || c[0].Key != theirs || len(c[0].History) != 0 {
		e.Errorf("claimed %+v, want the other's, without history", c)
	}
}

// Arguments that would keep something for ever, or nothing at all, are a caller's mistake.
func testRefuses(e *env) {
	once, address := message(zhang, "m1"), message(zhang, "m1")
	once.Once, address.Address = "once", []byte("not json")
	for name, call := range map[string]func() error{
		"no memory of ids": func() error {
			_, err := e.s.Accept(e.ctx, message(zhang, "m1"), conversation.AcceptOptions{})
			return err
		},
		"once for no time": func() error {
			_, err := e.s.Accept(e.ctx, once, conversation.AcceptOptions{DedupeFor: dedupe})
			return err
		},
		"an address that is not JSON": func() error {
			_, err := e.s.Accept(e.ctx, address, conversation.AcceptOptions{DedupeFor: dedupe})
			return err
		},
		"claim without a lease": func() error {
			_, err := e.s.Claim(e.ctx, []conversation.Shard{conversation.ShardOf(zhang)}, "a", 1, conversation.ClaimOptions{})
			return err
		},
		"renew without a lease": func() error {
			_, err := e.s.Renew(e.ctx, "a", []conversation.Shard{conversation.ShardOf(zhang)}, 0)
			return err
		},
	} {
		if err := call(); err == nil || chat.KindOf(err) != chat.Invalid {
			e.Errorf("%s: %v, want an error of kind invalid", name, err)
		}
	}
	e.accept("m1") // nothing was stored
}

func testCanceled(e *env) {
	e.accept("m1")
	c := e.claim("a")
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"accept": func() error {
			_, err := e.s.Accept(ctx, message(zhang, "x"), conversation.AcceptOptions{DedupeFor: dedupe})
			return err
		},
		"claim": func() error {
			_, err := e.s.Claim(ctx, []conversation.Shard{c.Shard}, "a", 1, claimOptions)
			return err
		},
		"renew":     func() error { _, err := e.s.Renew(ctx, "a", []conversation.Shard{c.Shard}, lease); return err },
		"commit":    func() error { _, err := e.s.Commit(ctx, c, e.outcome(c, 1)); return err },
		"delivered": func() error { _, err := e.s.Delivered(ctx, c, 0, claimOptions); return err },
		"release":   func() error { return e.s.Release(ctx, c) },
		"intend":    func() error { _, err := e.s.Intend(ctx, c, pace); return err },
		"postpone":  func() error { return e.s.Postpone(ctx, c, conversation.Postponement{}) },
		"give up":   func() error { _, err := e.s.GiveUp(ctx, c, "x", 0, claimOptions); return err },
		"reap":      func() error { _, err := e.s.Reap(ctx, []conversation.Shard{c.Shard}); return err },
		"owned":     func() error { _, err := e.s.Owned(ctx, c.Shard, "a"); return err },
		"stats":     func() error { _, err := e.s.Stats(ctx, "acme"); return err },
		"forget":    func() error { _, err := e.s.Forget(ctx, c, "u"); return err },
		"letters":   func() error { _, err := e.s.DeadLetters(ctx, "acme", 1); return err },
		"retry":     func() error { _, err := e.s.Retry(ctx, []conversation.DeadID{{Shard: c.Shard, Seq: 1}}); return err },
		"drop":      func() error { _, err := e.s.Drop(ctx, []conversation.DeadID{{Shard: c.Shard, Seq: 1}}); return err },
		"spend":     func() error { return e.s.Spend(ctx, c, "u", []chat.Spend{spend("p", "m", 1, 1)}) },
		"usage":     func() error { _, err := e.s.Usage(ctx, "acme", 1); return err },
		"reserve":   func() error { _, err := e.s.Reserve(ctx, reservation("t", 1)); return err },
		"settle":    func() error { return e.s.Settle(ctx, reservation("t", 1), 1) },
		"budget":    func() error { _, err := e.s.Budget(ctx, "acme", "u", 1); return err },
	} {
		if err := call(); chat.KindOf(err) != chat.Canceled {
			e.Errorf("%s: %v, want an error of kind canceled", name, err)
		}
	}
	e.finish(c) // and nothing happened
	e.nothingReady(zhang)
}

// After everything that the suite knows has happened, an idle store holds nothing personal for ever, and after the longest time nothing at
// all but its counters.
func testNothingStays(e *env) {
	if e.h.Keys == nil {
		e.Skip("the store has no keys")
	}
	limits := conversation.AcceptOptions{Waiting: 3, UserPerMinute: 4}
	for i := range 6 {
		m := message(zhang, fmt.Sprint("m", i))
		m.Once, m.OnceFor = "once", time.Hour
		if i > 0 {
			m.Once = ""
		}
		e.put(m, limits)
	}
	c := e.claim("dead")
	e.stop("stop")
	e.commit(c, e.outcome(c, 2))
	e.delivered(c, 0)
	e.die()
	next := e.claim("a")
	e.delivered(next, 1)
	e.die()
	for cs := e.claims("b", zhang, 1); ; {
		o := e.outcome(cs[0], 1)
		o.Dead, o.State.Model = "attempts", "big"
		o.User, o.Spent = "u", []chat.Spend{spend("p", "m", 1, 1)}
		e.commit(cs[0], o)
		n := e.delivered(cs[0], 0)
		if n.Claim == nil {
			break
		}
		cs[0] = *n.Claim
	}
	e.stop("stop in an idle conversation")
	e.finish(e.claim("b"))
	e.die()
	e.reserve(reservation("t1", 5), conversation.GrantOK)
	e.reserve(reservation("t2", 5), conversation.GrantOK)
	e.settle(reservation("t1", 5), 3)
	forEver := func() (out []string) {
		for key, ttl := range e.h.Keys() {
			if ttl < 0 && !strings.HasSuffix(key, ":n") {
				out = append(out, key)
			}
		}
		return out
	}
	if keys := forEver(); len(keys) != 0 {
		e.Errorf("kept for ever while idle: %q", keys)
	}
	if n := len(e.h.Keys()); n < 5 {
		e.Errorf("only %d keys: the case looks at the wrong place", n)
	}
	e.h.Advance(8 * 24 * time.Hour)
	usage := 0
	for key := range e.h.Keys() {
		if strings.Contains(key, ":u:") {
			usage++
		} else if !strings.HasSuffix(key, ":n") {
			e.Errorf("%q is left after 8 days", key)
		}
	}
	if usage == 0 {
		e.Error("no usage is kept after 8 days")
	}
	e.h.Advance(34 * 24 * time.Hour)
	for key := range e.h.Keys() {
		if !strings.HasSuffix(key, ":n") {
			e.Errorf("%q is left after 42 days", key)
		}
	}
}
