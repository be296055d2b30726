package llm

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"parley/internal/chat"
)

// local is the [Fleet] of a server that is alone: it counts in this process.
type local struct {
	mu   sync.Mutex
	keys map[string]*line
}

// line is the calls that run with one key, and those that wait for one of them to end.
type line struct {
	running int
	waiting list.List // of *waiter
}

type waiter struct {
	limit int
	grant chan struct{} // closed with the place counted
}

func newLocal() *local { return &local{keys: map[string]*line{}} }

// Hold implements [Fleet].
func (f *local) Hold(ctx context.Context, key string, limit int, wait bool) (func(), error) {
	f.mu.Lock()
	l := f.keys[key]
	if l == nil {
		l = &line{}
		f.keys[key] = l
	}
	if l.running < limit && l.waiting.Len() == 0 {
		l.running++
		f.mu.Unlock()
		return f.release(key), nil
	}
	if !wait {
		f.mu.Unlock()
		return nil, keysBusy(busyPause, fmt.Errorf("%d calls run with the key, its limit", limit))
	}
	w := &waiter{limit, make(chan struct{})}
	place := l.waiting.PushBack(w)
	f.mu.Unlock()
	select {
	case <-w.grant:
		return f.release(key), nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	select {
	case <-w.grant: // in the same moment
		f.mu.Unlock()
		return f.release(key), nil
	default:
	}
	l.waiting.Remove(place)
	f.next(key, l)
	f.mu.Unlock()
	return nil, context.Cause(ctx)
}

func (f *local) release(key string) func() {
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		l := f.keys[key]
		l.running--
		f.next(key, l)
	})
}

// next lets in those who wait, in order, and forgets a line without anybody.
func (f *local) next(key string, l *line) {
	for e := l.waiting.Front(); e != nil && l.running < e.Value.(*waiter).limit; e = l.waiting.Front() {
		l.waiting.Remove(e)
		l.running++
		close(e.Value.(*waiter).grant)
	}
	if l.running == 0 && l.waiting.Len() == 0 {
		delete(f.keys, key)
	}
}

// Rest implements [Fleet]: there is nobody to tell.
func (f *local) Rest(string, time.Duration, chat.Kind, string) {}
