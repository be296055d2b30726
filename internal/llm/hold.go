package llm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

const (
	// patience is how long a turn stands in line for a key until it says so to whoever asked: only then is the person told, and the client side
	// waits on more cheaply. It loses its place for that. So of those who wait longer than this no order is kept: each has the same chance
	// as all others, whatever their channel, which is why it is one figure for all. Longer, people would look at nothing for longer; shorter, they
	// would be out of line for most of the time, and a key that comes free would find nobody.
	patience = 3 * time.Second
	// linePause is when to ask again after standing in line: to stand there again soon. busyPause is when to, where there was no line.
	linePause = 100 * time.Millisecond
	busyPause = time.Second
	// busyMost is the longest rest of a rate limit that a turn waits for. A daily cap is not waited for.
	busyMost = 5 * time.Minute
	// maxWaits bounds the keys of one choice that a turn queues for at once.
	maxWaits = 16
)

// keysBusy is the error of a turn that has to wait, and of which nothing failed.
func keysBusy(after time.Duration, err error) *chat.Error {
	return &chat.Error{Kind: chat.Overloaded, Op: opComplete, Code: chat.CodeKeysBusy, RetryAfter: after, Err: err}
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && e != nil && e.Code == chat.CodeKeysBusy
}

// look lists the keys of a choice that may be tried, least used first, and says why the others may not: keysBusy if one of them comes back within
// busyMost, else why the one rests that comes back first; nil if all may be tried.
func (r *keyring) look(c route.Choice) (free []candidate, refusal *chat.Error) {
	keys := c.Keys
	if len(keys) == 0 {
		keys = []chat.Secret{{}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	free = make([]candidate, 0, len(keys))
	for i := range keys {
		k := candidate{key: keys[(i+r.next)%len(keys)]}
		k.name = KeyName(c.Provider.Name, k.key)
		s := r.state[k.name]
		if s != nil && !s.breaker.admits(now) {
			refusal = sooner(refusal, s.breaker.refusal(now, c.Provider.Name))
			continue
		}
		if s != nil {
			k.running = s.running
		}
		free = append(free, k)
	}
	slices.SortStableFunc(free, func(a, b candidate) int { return a.running - b.running })
	return free, refusal
}

// refusal says why a key that rests is not used.
func (b *breaker) refusal(now time.Time, provider string) *chat.Error {
	rest := b.until.Sub(now)
	if b.probing {
		rest = max(rest, busyPause)
	}
	why := fmt.Errorf("every free key of %s rests after the error %s %s", provider, b.why.Kind, b.why.Code)
	if b.why.Kind == chat.RateLimited && rest <= busyMost {
		return keysBusy(rest, why)
	}
	e := &chat.Error{Kind: b.why.Kind, Op: b.why.Op, Code: b.why.Code, Err: why}
	if e.Kind.Retryable() {
		e.RetryAfter = rest
	}
	return e
}

// sooner is the refusal after which a turn goes on first; one that is waited for goes before one that is not.
func sooner(a, b *chat.Error) *chat.Error {
	rank := func(e *chat.Error) int {
		switch {
		case isBusy(e):
			return 0
		case e.Kind.Retryable():
			return 1
		}
		return 2
	}
	if a == nil || rank(b) < rank(a) || rank(b) == rank(a) && b.RetryAfter < a.RetryAfter {
		return b
	}
	return a
}

// take gets one of a choice's keys for a call, the least used that neither rests nor is at its limit. It does not wait. Errors: keysBusy if a key may
// be had before long; else why they rest.
func (s *Service) take(ctx context.Context, c route.Choice) (lease, *chat.Error) {
	free, refusal := s.keys.look(c)
	for _, k := range free {
		l, ok := s.keys.enter(c.Provider.Name, k)
		if !ok {
			continue // it went to rest a moment ago, or is at its limit
		}
		if c.Provider.Concurrency <= 0 {
			return l, nil
		}
		release, err := s.fleet.Hold(ctx, k.name, c.Provider.Concurrency, false)
		if err == nil {
			l.release = release
			return l, nil
		}
		s.keys.give(l, chat.E(chat.Canceled, opComplete, nil))
		if !isBusy(err) {
			return lease{}, asError(err)
		}
		refusal = keysBusy(busyPause, fmt.Errorf("every free key of %s has %d calls running", c.Provider.Name, c.Provider.Concurrency))
	}
	if refusal == nil {
		refusal = keysBusy(busyPause, fmt.Errorf("every key of %s is at its limit, or went to rest just now", c.Provider.Name))
	}
	return lease{}, refusal
}

// await gets one of a choice's keys, whichever is free first, and waits for it in the fleet's lines up to patience. Errors are take's.
func (s *Service) await(ctx context.Context, c route.Choice) (lease, *chat.Error) {
	if c.Provider.Concurrency <= 0 {
		return s.take(ctx, c) // only rests keep its keys away, and those have no line
	}
	free, refusal := s.keys.look(c)
	free = free[:min(len(free), maxWaits)]
	if len(free) == 0 {
		return lease{}, refusal
	}
	k, release, err := s.queue(ctx, c, free)
	if err != nil {
		return lease{}, err
	}
	l, ok := s.keys.enter(c.Provider.Name, k)
	if !ok {
		release()
		return lease{}, keysBusy(busyPause, fmt.Errorf("the key of %s that came free rests by now", c.Provider.Name))
	}
	l.release = release
	return l, nil
}

// queue waits for the first of several keys. Grants that come too late for it are given back.
func (s *Service) queue(caller context.Context, c route.Choice, free []candidate) (candidate, func(), *chat.Error) {
	ctx, cancel := context.WithTimeout(caller, patience)
	defer cancel()
	type grant struct {
		candidate
		release func()
		err     error
	}
	grants := make(chan grant, len(free))
	for _, k := range free {
		go func() {
			release, err := s.fleet.Hold(ctx, k.name, c.Provider.Concurrency, true)
			grants <- grant{k, release, err}
		}()
	}
	var last error
	for left := len(free); left > 0; left-- {
		g := <-grants
		if g.err != nil {
			last = g.err
			continue
		}
		go func() {
			for range left - 1 {
				if late := <-grants; late.err == nil {
					late.release()
				}
			}
		}()
		return g.candidate, g.release, nil
	}
	switch {
	case caller.Err() != nil:
		return candidate{}, nil, asError(context.Cause(caller))
	case ctx.Err() != nil:
		return candidate{}, nil, keysBusy(linePause, fmt.Errorf("every free key of %s had %d calls running for %v",
			c.Provider.Name, c.Provider.Concurrency, patience))
	case isBusy(last): // too many stand in line
		return candidate{}, nil, keysBusy(busyPause, last)
	}
	return candidate{}, nil, asError(last)
}

// back is how long it takes until one of a choice's keys may be tried that was not refused for good; 0: now, or never.
func (r *keyring) back(c route.Choice) time.Duration {
	if free, refusal := r.look(c); len(free) == 0 {
		return refusal.RetryAfter
	}
	return 0
}
