package llm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

const (
	// maxAttempts bounds the calls of one turn to providers, over choices and keys, as the AWS SDKs do.
	maxAttempts = 3
	// retryPause is the pause before a turn's first retry at the same provider; it doubles with each.
	retryPause = 500 * time.Millisecond
	// retryPauses bounds the pauses of a turn before its retries, a provider's Retry-After included.
	retryPauses = 10 * time.Second
)

// turn is one Complete on its way over choices and keys.
type turn struct {
	*Service
	table    *route.Table
	req      chat.Request
	question int // tokens
	emit     func(chat.Event) error
	tries    []try
	calls    int
	last     int           // index of the choice that was called last
	deadline time.Time     // of the whole turn; it starts with the first call, waiting for a key does not count
	waited   time.Duration // before retries
	visible  bool          // the person has seen a piece of an answer
}

// try is how far a turn came with one of its choices.
type try struct {
	route.Choice
	client client
	err    *chat.Error
	called bool
	busy   bool // its keys are taken, and come back
	shut   bool // its provider's breaker kept the turn away
	spans  *operation
}

// how a choice is tried.
type how int

const (
	ifFree how = iota
	inLine     // waits for a key at its limit
	forced     // through a shut breaker
)

// run tries the choices in order, each without waiting. It goes on to another only while the person has seen nothing of an answer.
func (t *turn) run(ctx context.Context) *chat.Error {
	for i := range t.tries {
		for again := true; again; {
			before := t.calls
			if t.try(ctx, i, ifFree); t.over(ctx, i) {
				return t.tries[i].err
			}
			again = t.calls > before && t.anotherKey(i)
		}
		if t.calls >= maxAttempts {
			break
		}
		t.passOn(ctx, i)
	}
	return t.lastResort(ctx)
}

// over: the turn ends with what became of a try. A retryable failure after visible text is final, too: another model's answer cannot continue it.
func (t *turn) over(ctx context.Context, i int) bool {
	e := t.tries[i].err
	return e == nil || t.visible || ctx.Err() != nil || t.late() || !mayFallBack(e.Kind)
}

func (t *turn) late() bool { return t.calls > 0 && !time.Now().Before(t.deadline) }

// anotherKey: the key that failed rests now, and another key of the same provider may do better. The last call is for the next choice, however
// many keys this one has.
func (t *turn) anotherKey(i int) bool {
	x := &t.tries[i]
	more := maxAttempts
	if i+1 < len(t.tries) {
		more--
	}
	if !keyFault(x.err.Kind) || len(x.Keys) < 2 || t.calls >= more {
		return false
	}
	free, _ := t.keys.look(x.Choice)
	return len(free) > 0 && t.mayRetry(i)
}

// mayFallBack: the failure is this choice's own; another choice may do better.
func mayFallBack(k chat.Kind) bool {
	switch k {
	case chat.Unauthenticated, chat.Forbidden, chat.Billing, chat.NotFound, chat.TooLarge:
		return true
	}
	return k.Retryable()
}

// lastResort is for a turn that no choice answered at once.
//
//   - If keys are at their limit somewhere, it waits there: an answer later is better than none, and nothing failed yet.
//   - If nobody was called and a breaker kept the turn away from somebody, the first such choice is called all the same: a breaker spares turns
//     a call that would fail, it must never be what fails them. This holds for a provider that hangs, too. Such a turn lasts until the
//     first-token deadline, as it would without any breaker, but it is one call and no retry, and the first one that is answered opens the
//     breaker for all; refusing at once would keep everybody of a lone provider out for half a minute after it is well.
//   - Else it tries again where that may help.
func (t *turn) lastResort(ctx context.Context) *chat.Error {
	if i := t.line(); i >= 0 && t.calls < maxAttempts {
		if t.try(ctx, i, inLine); t.over(ctx, i) {
			return t.tries[i].err
		}
		return t.verdict()
	}
	for i := range t.tries {
		if t.tries[i].shut && t.calls == 0 {
			if t.try(ctx, i, forced); t.over(ctx, i) {
				return t.tries[i].err
			}
			return t.verdict()
		}
	}
	for n := 0; t.calls < maxAttempts; n++ {
		i := t.retry(ctx, n)
		if i < 0 {
			break
		}
		if t.try(ctx, i, ifFree); t.over(ctx, i) {
			return t.tries[i].err
		}
		if t.tries[i].busy || t.tries[i].shut { // another turn took the place
			break
		}
	}
	return t.verdict()
}

// line is the choice whose keys are waited for: the first that has some at their limit, where there is a line; else one whose keys rest; -1: none.
func (t *turn) line() int {
	resting := -1
	for i := range t.tries {
		x := &t.tries[i]
		if !x.busy {
			continue
		}
		if free, _ := t.keys.look(x.Choice); len(free) > 0 {
			return i
		}
		if resting < 0 {
			resting = i
		}
	}
	return resting
}

// retry waits until a choice may be called once more and gives its index; -1: no retry. Not retried here are a timeout, since the person has waited
// long enough for nothing, and a rate limit: it is waited for by whoever asked, as for any key that is not to be had.
func (t *turn) retry(ctx context.Context, n int) int {
	for i := range t.tries {
		x := &t.tries[i]
		if !x.called || x.err.Kind != chat.Unavailable && x.err.Kind != chat.Overloaded || !x.client.admits(time.Now()) {
			continue
		}
		pause := max(jitter(retryPause<<n), x.err.RetryAfter, t.keys.back(x.Choice))
		if t.waited += pause; t.waited > retryPauses || time.Until(t.deadline) <= pause || !t.mayRetry(i) {
			t.waited -= pause
			continue
		}
		select {
		case <-ctx.Done():
			return -1
		case <-time.After(pause):
			return i
		}
	}
	return -1
}

// mayRetry takes one more call at a provider that this turn has called out of its retry budget.
func (t *turn) mayRetry(i int) bool {
	x := &t.tries[i]
	if !x.client.retry(time.Now()) {
		t.metrics.refused.WithLabelValues(x.Provider.Name).Inc()
		return false
	}
	t.metrics.retries.WithLabelValues(x.Provider.Name).Inc()
	return true
}

// passOn records that the turn leaves a choice for the next. Only what failed is worth a line: breakers and busy keys say so once, when they begin.
func (t *turn) passOn(ctx context.Context, i int) {
	x := &t.tries[i]
	if i+1 == len(t.tries) {
		return
	}
	reason := x.err.Kind.String()
	switch {
	case x.shut:
		reason = "breaker"
	case x.busy:
		reason = chat.CodeKeysBusy
	}
	t.metrics.fallbacks.WithLabelValues(x.Provider.Name, reason).Inc()
	if x.called {
		t.log.WarnContext(ctx, "falling back to the next choice", "provider", x.Provider.Name, "model", x.Model, "error", x.err,
			"tenant", t.req.Tenant, "conversation", t.req.Conversation, "turn", t.req.Turn)
	}
}

// verdict is the error of a turn that nobody answered. If one of its choices has keys that come back, it is keysBusy: the turn waits. Else the first
// error after which a later try makes sense, else the first.
func (t *turn) verdict() *chat.Error {
	var first, busy *chat.Error
	causes := make([]error, 0, len(t.tries))
	for _, x := range t.tries {
		if x.err == nil {
			continue // not reached
		}
		causes = append(causes, x.err)
		if first == nil || !first.Kind.Retryable() && x.err.Kind.Retryable() {
			first = x.err
		}
		if b := t.waits(x); b != nil {
			busy = sooner(busy, b)
		}
	}
	if busy != nil {
		return keysBusy(busy.RetryAfter, errors.Join(causes...))
	}
	if len(causes) == 1 {
		return first
	}
	return &chat.Error{Kind: first.Kind, Op: opComplete, Code: first.Code, RetryAfter: first.RetryAfter,
		Err: fmt.Errorf("every choice failed: %w", errors.Join(causes...))}
}

// waits is not nil if a choice's keys come back before long: those that it could not have, or the one that the provider limited just now.
func (t *turn) waits(x try) *chat.Error {
	if x.busy {
		return x.err
	}
	if x.err.Kind != chat.RateLimited {
		return nil
	}
	free, refusal := t.keys.look(x.Choice)
	if len(free) > 0 {
		return keysBusy(busyPause, x.err)
	}
	if isBusy(refusal) {
		return refusal
	}
	return nil
}
