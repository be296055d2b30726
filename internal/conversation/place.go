package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
)

const (
	// maxPause is the longest time between two looks for a free place.
	maxPause = 4 * time.Second
	// keysPause is that time where a server keeps the line: longer, and a key that comes free would find nobody in it.
	keysPause = time.Second
	// lookGap is how far apart all who wait in a process look for a place, on average: each look in vain is work for a server or the store.
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

// wait lets a message wait for a free place, until the next try is due; e may say when. The lease is kept meanwhile. A stop ends it,
// and so does a shutdown's beginning: another replica waits on. It fails with errLate when the message has waited as long as it may, with
// errCrowd when it is to wait in the mailbox.
func (a *asking) wait(ctx context.Context, reason string, since time.Time, e *chat.Error) error {
	left := time.Until(a.until)
	if left <= 0 {
		return errLate
	}
	if !a.queued {
		if a.queued = a.room.enqueue(a.t.Name); !a.queued {
			return errCrowd
		}
	}
	most := maxPause
	if reason == "keys" {
		most = keysPause
	}
	d := a.growing(a.waits, most)
	if reason != "no_server" { // which costs nothing to find out
		d = max(d, a.spread(time.Duration(a.room.crowd())*lookGap))
	}
	if e != nil && e.RetryAfter > d {
		d = e.RetryAfter + time.Duration(a.dice.Int64N(int64(e.RetryAfter/4+1)))
	}
	d = min(d, left) // and one last try
	a.waits++
	if a.waited+time.Since(since)+d >= showAfter {
		a.live.notice(text(a.t, "queued"))
	}
	a.metrics.places.WithLabelValues(a.t.Name, reason).Inc()
	waiting := a.metrics.queued.WithLabelValues(a.t.Name)
	waiting.Inc()
	a.unreserve(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.leaving, func() { cancel(errHandover) })()
	err := a.Pause(ctx, d)
	waiting.Dec()
	a.waited += time.Since(since)
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// spread is d on average, between half of it and half as much again.
func (s *Service) spread(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.dice.Int64N(int64(d+1)))
}
