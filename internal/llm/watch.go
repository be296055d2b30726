package llm

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

// watch ends a call's context when the provider is silent for too long: before its first text, or between two pieces.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	talked atomic.Bool
}

func newWatch(ctx context.Context, first, idle time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, idle: idle}
	w.timer = time.AfterFunc(first, func() {
		if w.talked.Load() {
			cancel(lateError("the answer stopped for more than", idle))
			return
		}
		cancel(lateError("no first text within", first))
	})
	return ctx, w
}

// alive is called with every sign of the model's life.
func (w *watch) alive() {
	w.talked.Store(true)
	w.timer.Reset(w.idle)
}

// stop frees the timer and the context.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

func lateError(what string, limit time.Duration) *chat.Error {
	return chat.E(chat.Timeout, opComplete, fmt.Errorf("%s %v", what, limit))
}
