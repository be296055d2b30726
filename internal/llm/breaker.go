package llm

import (
	"math/rand/v2"
	"time"

	"parley/internal/chat"
)

// breaker keeps calls away from what failed, a provider or one of its keys: it is shut for a while, then lets one call through as a probe,
// and opens to all when that call succeeds. A probe that fails shuts it for longer. It has no lock: its owner's is held. The zero value admits
// every call.
//
// What counts as a failure is its owner's to say. A provider's breaker shuts after several (see [health]); a key's after one, since its
// provider refused that very key: "the key rests" means that its breaker is shut.
type breaker struct {
	trips   int       // how often it shut since the last success; 0: it admits every call
	until   time.Time // shut until; then a probe may go
	probing bool      // the probe is on its way
	round   int       // rises when it shuts: a call of an earlier round says nothing of how things are now
	why     chat.Error
}

// pass is a call's way through a breaker.
type pass struct {
	round int
	probe bool
}

func (b *breaker) admits(now time.Time) bool {
	return b.trips == 0 || !b.probing && !now.Before(b.until)
}

// enter admits a call. With force it goes through a shut breaker, not as its probe.
func (b *breaker) enter(now time.Time, force bool) (pass, bool) {
	if !b.admits(now) {
		return pass{round: b.round}, force
	}
	p := pass{round: b.round, probe: b.trips > 0}
	b.probing = p.probe
	return p, true
}

// probedBy reports whether a call is the probe that is waited for. One that was overtaken, by a call that opened the breaker or by another rest,
// says nothing of how things are now.
func (b *breaker) probedBy(p pass) bool { return p.probe && p.round == b.round && b.trips > 0 }

// leave ends a call that says neither: a probe makes room for the next.
func (b *breaker) leave(p pass) {
	if b.probedBy(p) {
		b.probing = false
	}
}

// well opens the breaker after a success, and reports whether it was not before. A call that began before it shut is no proof.
func (b *breaker) well(p pass) (opened bool) {
	if b.trips == 0 || p.round != b.round {
		return false
	}
	*b = breaker{round: b.round}
	return true
}

// shut shuts it: for first the first time, for twice as long after every probe that failed, up to most. A longer rest that was begun stays.
func (b *breaker) shut(now time.Time, first, most time.Duration, why *chat.Error) {
	rest := most
	if b.trips < 16 {
		rest = min(first<<b.trips, most)
	}
	b.trips++
	b.round++
	b.probing = false
	b.keep(now.Add(jitter(rest)))
	b.why = chat.Error{Kind: why.Kind, Op: why.Op, Code: why.Code}
}

// keep prolongs a rest that would end earlier.
func (b *breaker) keep(until time.Time) {
	if until.After(b.until) {
		b.until = until
	}
}

// jitter takes up to a quarter off a time, so that servers which met a failure together do not come back together.
func jitter(d time.Duration) time.Duration {
	if d < 4 {
		return d
	}
	return d - rand.N(d/4)
}
