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
	heard  atomic.Int64  // when the model was last heard, in nanoseconds from began; notYet before that
}

const notYet = -1

func newWatch(ctx context.Context, deadline time.Time, limits route.Deadlines) *watch {
	w := &watch{limits: limits, began: time.Now()}
	w.heard.Store(notYet)
	w.turn = deadline.Sub(w.began)
	w.Context, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(math.MaxInt64, w.look) // look uses the timer, so it must not fire before it is here
	w.timer.Reset(min(w.turn, limits.FirstToken, limits.Idle))
	return w
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
	case now >= silence && heard == notYet:
		w.cancel(lateError("no first text within", w.limits.FirstToken))
	case now >= silence:
		w.cancel(lateError("the answer stopped for more than", w.limits.Idle))
	default:
		w.timer.Reset(min(w.turn, silence) - now)
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
