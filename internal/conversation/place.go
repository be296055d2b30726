package conversation

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

const (
	// maxPause is the longest time between two looks for a free place.
	maxPause = 4 * time.Second
	// keysPause is that time where a server keeps the line: longer, and a key that comes free would find nobody in it.
	keysPause = time.Second
	// standPause is the longest time in which somebody behind others asks no one; then it is looked whether the line still moves.
	standPause = 2 * time.Second
	// lookGap is how far apart all who ask in a process do so, on average: each look in vain is work for a server or the store.
	lookGap = 2 * time.Millisecond
	// showAfter is how long somebody waits before a live text says so: a moment's wait is not worth a word.
	showAfter = time.Second
	// tellAfter is how long somebody waits before the reply says so, where there is no live text.
	tellAfter = 30 * time.Second
)

// noPlace says for what a refused try has to wait, in the metrics' word; empty: for nothing, it failed.
func noPlace(err error, e *chat.Error) string {
	switch {
	case errors.Is(err, errHeld):
		return "budget"
	case e == nil:
		return ""
	case e.Code == chat.CodeKeysBusy:
		return "keys"
	case e.Code == chat.CodeNoInstance:
		return "no_server"
	case e.Code == chat.CodeInstance && e.Kind == chat.Overloaded:
		return "full_server"
	}
	return ""
}

// stand blocks while others of its line ask before this message. It fails as wait does.
func (a *asking) stand(ctx context.Context) error {
	if a.standing == nil {
		if !a.lines.full(a.line()) {
			return nil
		}
		if err := a.join(); err != nil {
			return err
		}
	}
	a.why = a.lines.why(a.line())
	for a.standing.turn.Err() == nil {
		left := time.Until(a.until)
		if left <= 0 {
			return errLate
		}
		if err := a.rest(ctx, min(left, standPause), time.Now()); err != nil {
			return err
		}
		limit := a.t.Limits.BusyAfter
		if err := a.hopeless(limit/3, limit*3/2); err != nil { // it moves more slowly than it did; who is near is not sent away
			return err
		}
	}
	return nil
}

// wait lets a message that found no place wait until it is to ask again; e may say when. The lease is kept meanwhile. A stop ends it,
// and so does a shutdown's beginning: another replica waits on. It fails with errLate when the message has waited as long as it may, with
// an errBusy when it would have to wait too long, with errCrowd when it is to wait in the mailbox.
func (a *asking) wait(ctx context.Context, reason string, since time.Time, e *chat.Error) error {
	left := time.Until(a.until)
	if left <= 0 {
		return errLate
	}
	if a.found {
		a.lines.unfind(a.line())
		a.found = false
	}
	a.metrics.places.WithLabelValues(a.metrics.tenant(a.t.Name), reason).Inc()
	a.waited += time.Since(since)
	a.why = reason
	switch {
	case reason == "budget": // others may have theirs
		a.placed(false)
	case a.standing == nil:
		if err := a.join(); err != nil {
			return err
		}
	}
	if reason != "budget" {
		a.lines.because(a.line(), reason)
	}
	if reason == "no_server" {
		a.lines.void(a.line())
	}
	if a.standing != nil && a.standing.turn.Err() == nil {
		return nil // it stands behind now
	}
	if err := a.enter(); err != nil {
		return err
	}
	most := maxPause
	if reason == "keys" {
		most = keysPause
	}
	d := a.growing(a.waits, most)
	if reason != "no_server" { // which costs nothing to find out
		d = max(d, a.spread(time.Duration(a.lines.askers())*lookGap))
	}
	if e != nil && e.RetryAfter > d {
		d = e.RetryAfter + time.Duration(a.dice.Int64N(int64(e.RetryAfter/4+1)))
	}
	a.waits++
	return a.rest(ctx, min(d, left), time.Now()) // and one last try
}

// line names what this message competes for.
func (a *asking) line() lineOf { return lineOf{a.c.Key.Tenant, model(a.t, a.c)} }

// join lines the message up, unless it would have to stand too long: to hear so at once is better than to wait for it.
func (a *asking) join() error {
	if err := a.enter(); err != nil {
		return err
	}
	a.standing = a.lines.join(a.line(), a.since)
	return a.hopeless(0, a.t.Limits.BusyAfter)
}

// enter makes the message one that waits in this process.
func (a *asking) enter() error {
	if !a.queued {
		if a.queued = a.room.enqueue(a.t.Name); !a.queued {
			return errCrowd
		}
	}
	return nil
}

// hopeless is an errBusy if the message has longer than near to wait, and would have waited longer than limit (0: none) in all.
func (a *asking) hopeless(near, limit time.Duration) error {
	wait, known := a.lines.expect(a.standing)
	if limit > 0 && known && wait > near && time.Since(a.since)+wait > limit {
		return &errBusy{wait}
	}
	return nil
}

// rest is a pause of a message that waits, since when; it ends early when its turn comes to ask.
func (a *asking) rest(ctx context.Context, d time.Duration, since time.Time) error {
	if a.waited+time.Since(since)+d >= a.live.patience() {
		a.live.notice(text(a.t, "queued"))
	}
	tenant := a.metrics.tenant(a.t.Name)
	waiting := []prometheus.Gauge{a.metrics.queued.WithLabelValues(tenant)}
	if a.why == "keys" || a.why == "budget" {
		waiting = append(waiting, a.metrics.outside.WithLabelValues(tenant))
	}
	for _, g := range waiting {
		g.Inc()
	}
	a.unreserve(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.leaving, func() { cancel(errHandover) })()
	if a.standing != nil && a.standing.turn.Err() == nil {
		defer context.AfterFunc(a.standing.turn, func() { cancel(errTurn) })()
	}
	err := a.Pause(ctx, d)
	for _, g := range waiting {
		g.Dec()
	}
	a.waited += time.Since(since)
	if cause := context.Cause(ctx); err != nil && !errors.Is(cause, errTurn) {
		return cause
	}
	return nil
}

// placed takes the message out of its line; found: because it has a place.
func (a *asking) placed(found bool) {
	if a.standing != nil {
		a.lines.leave(a.standing, found)
		a.standing, a.found = nil, found
	}
}

// spread is d on average, between half of it and half as much again.
func (s *Service) spread(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.dice.Int64N(int64(d+1)))
}
