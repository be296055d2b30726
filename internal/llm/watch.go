package llm

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// watch is a call's context. It ends when the turn has no time left, and when the provider is silent for too long: before its first text, or between
// two pieces. One timer sees to all of it, and looks when it fires how long the silence was: pieces come far more often than it has to.
type watch struct {
	context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limits route.Deadlines
	began  time.Time
	turn   time.Duration // from began to the end of the turn
	due    time.Duration // when the timer is to fire, from began
	heard  atomic.Int64  // when the model was last heard, in nanoseconds from began; notYet before that
}

const (
	notYet = -1
	// still is how late the timer fires where this process had no time itself: that proves nothing of the model, whose words may lie there unread.
	// They are given as long again.
	still = time.Second
)

func newWatch(ctx context.Context, deadline time.Time, limits route.Deadlines) *watch {
	w := &watch{limits: limits, began: time.Now()}
	w.heard.Store(notYet)
	w.turn = deadline.Sub(w.began)
	w.Context, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(math.MaxInt64, w.look) // look uses the timer, so it must not fire before it is here
	w.next(0, min(limits.FirstToken, limits.Idle))
	return w
}

// next sets the timer to a moment, or the turn's end before it.
func (w *watch) next(now, at time.Duration) {
	w.due = min(w.turn, at)
	w.timer.Reset(w.due - now)
}

// look ends the call if it is late, else looks again when it may be.
func (w *watch) look() {
	now, heard := time.Since(w.began), time.Duration(w.heard.Load())
	silence := heard + w.limits.Idle
	if heard == notYet {
		silence = w.limits.FirstToken
	}
	switch {
	case now >= w.turn:
		w.cancel(lateError("the whole turn took more than", w.limits.Turn))
	case now >= silence && now-w.due > still:
		w.next(now, now+still)
	case now >= silence && heard == notYet:
		w.cancel(lateError("no first text within", w.limits.FirstToken))
	case now >= silence:
		w.cancel(lateError("the answer stopped for more than", w.limits.Idle))
	default:
		w.next(now, silence)
	}
}

// alive is called with every sign of the model's life.
func (w *watch) alive() { w.heard.Store(int64(time.Since(w.began))) }

// stop frees the timer and the context.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

func lateError(what string, limit time.Duration) *chat.Error {
	return chat.E(chat.Timeout, opComplete, fmt.Errorf("%s %v", what, limit))
}
