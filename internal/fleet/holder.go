package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
)

const (
	// The first pause before a running call that nobody counts is declared again, and before a keeper is looked for again. They double up
	// to askMost, so that a thousand calls do not flood who comes next.
	declareFirst = 100 * time.Millisecond
	askFirst     = 50 * time.Millisecond
	askMost      = time.Second
)

// hold is one call of this server, from the moment when its hold was asked for. Its mutable fields are guarded by the fleet's mutex.
type hold struct {
	key   string
	limit int
	ctx   context.Context // ends with the call
	end   context.CancelFunc
	at    []string // the keepers that count it, or are being asked to
}

// Hold asks for one more call with a key of which the whole fleet may make limit at once; a limit of 0 is none. With wait it blocks, first
// come first served, until the call may be made or ctx ends; without, it answers as soon as the key's keeper does, which a new keeper
// does after a few seconds. The call counts until release, also when ctx ends before; more calls of release do nothing. Errors: Overloaded
// with [chat.CodeKeysBusy] at the limit; Timeout or Canceled if ctx ended. If the keeper cannot be asked, the call is counted in this
// process alone.
func (f *Fleet) Hold(ctx context.Context, key string, limit int, wait bool) (release func(), err error) {
	if limit <= 0 {
		return func() {}, nil
	}
	h := &hold{key: key, limit: limit}
	h.ctx, h.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := f.obtain(ctx, h, wait); err != nil {
		h.end()
		return nil, err
	}
	return f.counted(h), nil
}

// obtain blocks until somebody counts the call.
func (f *Fleet) obtain(ctx context.Context, h *hold, wait bool) error {
	var lost time.Time // since when the keeper has not been found; zero: it was not looked for in vain
	for pause := askFirst; ; pause = min(2*pause, askMost) {
		addr, changed := f.keeper(h.key)
		if f.countsAlone(addr) {
			return f.obtainAlone(ctx, h, wait)
		}
		asked := time.Now()
		err := f.ask(ctx, h, addr, wait)
		kind, now := chat.KindOf(err), time.Now()
		switch {
		case err == nil || codeOf(err) == chat.CodeKeysBusy:
			f.trust(addr)
			return err
		case ctx.Err() != nil:
			return ended(ctx)
		case kind == chat.Invalid:
			return err
		case lost.IsZero() || now.Sub(asked) > f.patience: // it waited there for its turn; the search begins now
			lost, pause = now, askFirst
		}
		if now.Sub(lost) >= f.patience || kind == chat.Forbidden || kind == chat.NotFound || kind == chat.Unauthenticated {
			f.doubt(addr, err)
			continue
		}
		sleep(ctx, changed, pause)
	}
}

// ask asks one keeper, and keeps the call counted from then on.
func (f *Fleet) ask(ctx context.Context, h *hold, addr string, wait bool) error {
	if addr == "" {
		return chat.E(chat.Unavailable, "fleet.hold", errNobodyKnown)
	}
	granted, refused := make(chan struct{}), make(chan error, 1)
	asking, cancel := context.WithCancel(h.ctx)
	f.mu.Lock()
	h.at = append(h.at, addr)
	f.mu.Unlock()
	go func() {
		defer cancel()
		err := f.call(asking, addr, KeyAsk{Key: h.key, Limit: h.limit, Try: !wait}, sync.OnceFunc(func() { close(granted) }))
		f.left(h, addr)
		select {
		case <-granted:
			f.declare(h) // the call runs, and is counted there no more
		default:
			refused <- err
		}
	}()
	select {
	case <-granted:
		return nil
	case err := <-refused:
		return err
	case <-ctx.Done():
		cancel()
		return ended(ctx)
	}
}

var errNobodyKnown = errors.New("it is not known yet which servers there are")

// call asks a server, which may be this one.
func (f *Fleet) call(ctx context.Context, addr string, a KeyAsk, granted func()) error {
	if addr == f.self {
		return f.Keep(ctx, a, func() error { granted(); return nil })
	}
	return f.peers.Hold(ctx, addr, a, granted)
}

// counted watches over a call that may be made now: whoever becomes its keeper hears of it.
func (f *Fleet) counted(h *hold) (release func()) {
	f.mu.Lock()
	f.holds[h] = struct{}{}
	f.declareAnew(h) // the keeper may have changed since
	f.mu.Unlock()
	return func() {
		h.end()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.holds, h)
	}
}

// declareAnew tells a call's keeper of it if that does not know. An earlier keeper goes on counting it until it ends the hold itself:
// otherwise it could let another call in. f.mu is held.
func (f *Fleet) declareAnew(h *hold) {
	if addr := f.ring.keeper(h.key); addr != "" && !slices.Contains(h.at, addr) {
		go f.declare(h)
	}
}

// declare keeps a running call counted by whoever is its keeper, until it ends or another goroutine does the same.
func (f *Fleet) declare(h *hold) {
	for pause := declareFirst; ; {
		f.mu.Lock()
		addr, changed := f.ring.keeper(h.key), f.changed
		if h.ctx.Err() != nil || slices.Contains(h.at, addr) {
			f.mu.Unlock()
			return
		}
		h.at = append(h.at, addr)
		f.mu.Unlock()
		counted, began := false, time.Now()
		err := f.call(h.ctx, addr, KeyAsk{Key: h.key, Limit: h.limit, Running: true}, func() { counted = true; f.trust(addr) })
		f.left(h, addr)
		switch kind := chat.KindOf(err); {
		case counted && time.Since(began) > declareFirst: // it was cut off, or the keeper changed
			pause = declareFirst
		case kind == chat.Forbidden, kind == chat.NotFound, kind == chat.Unauthenticated:
			sleep(h.ctx, changed, doubtFor)
		default:
			sleep(h.ctx, changed, pause)
			pause = min(2*pause, askMost)
		}
	}
}

// left notes that a keeper counts a call no more.
func (f *Fleet) left(h *hold, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(h.at, addr); i >= 0 {
		h.at = slices.Delete(h.at, i, i+1)
	}
}

// sleep waits for d, for a change of keepers, or for the end of ctx.
func sleep(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e.Code
	}
	return ""
}
