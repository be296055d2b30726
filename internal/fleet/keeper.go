package fleet

import (
	"context"
	"errors"
	"slices"
	"time"

	"parley/internal/chat"
)

// codeNotKeeper is the code of the error by which a server says that, as it sees the fleet, another one keeps the key.
const codeNotKeeper = "not_keeper"

func errNotKeeper() error {
	return &chat.Error{Kind: chat.Unavailable, Op: "fleet.keep", Code: codeNotKeeper, Err: errors.New("another server keeps the key")}
}

// Keep is the keeper's side of a hold: it calls granted when the call may be made, and counts it until ctx ends, granted fails, or this
// server stops being the key's keeper. Until then it blocks; it always returns an error, which says what ended the hold.
func (f *Fleet) Keep(ctx context.Context, ask KeyAsk, granted func() error) error {
	if err := ask.check(); err != nil {
		return err
	}
	f.mu.Lock()
	if f.ring.keeper(ask.Key) != f.self {
		f.mu.Unlock()
		return errNotKeeper()
	}
	s := f.kept.ask(ask)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.kept.free(s)
	}()
	if err := s.wait(ctx); err != nil {
		return err
	}
	if err := granted(); err != nil {
		return err
	}
	select {
	case <-s.lost:
		return s.why
	case <-ctx.Done():
		return ended(ctx)
	}
}

// wait blocks until the call may be made; otherwise it gives why not.
func (s *slot) wait(ctx context.Context) error {
	select {
	case <-s.granted:
		return nil
	case <-s.lost:
		return s.why
	case <-ctx.Done():
		return ended(ctx)
	}
}

func ended(ctx context.Context) error { return chat.E(chat.KindOf(ctx.Err()), "fleet.hold", ctx.Err()) }

// look takes the present view. The first one has to be settled: a server that is not yet probed may keep keys.
func (f *Fleet) look(v View) {
	now := time.Now()
	f.mu.Lock()
	f.pulse(now)
	stood := f.stood
	f.stood = 0
	changed := false
	if v.Settled || f.ring.servers != nil {
		f.view = v
		changed = f.reshape(now)
	}
	servers := f.ring.servers
	f.mu.Unlock()
	if stood > 0 {
		f.log.Warn("this process stood still; for a moment it lets no calls begin with the keys that it keeps", "for", stood)
	}
	if changed {
		f.log.Info("the servers that keep keys", "servers", servers, "this", f.self)
	}
}

// reshape makes the ring of the view: who is registered and up, or this server if there is nobody. f.mu is held.
func (f *Fleet) reshape(now time.Time) bool {
	servers := slices.Clone(f.view.Servers)
	if len(servers) == 0 || f.view.Listed && !f.leaving {
		servers = append(servers, f.self)
	}
	slices.Sort(servers)
	if slices.Equal(servers, f.ring.servers) {
		return false
	}
	f.ring.change(servers, now)
	f.metrics.changes.Inc()
	for addr := range f.doubts {
		if !slices.Contains(servers, addr) {
			delete(f.doubts, addr)
		}
	}
	f.kept.lose(func(key string) bool { return f.ring.keeper(key) != f.self }, errNotKeeper())
	for h := range f.holds {
		f.declareAnew(h)
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return true
}

// keeper is who keeps key, "" before the first view, and what is closed when that may have changed.
func (f *Fleet) keeper(key string) (addr string, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.keeper(key), f.changed
}

// pulse notes that this process runs. If it was stopped for long, others may have kept its keys meanwhile: it begins anew as their keeper.
// f.mu is held.
func (f *Fleet) pulse(now time.Time) {
	if gap := now.Sub(f.seen); gap > standstill && f.ring.servers != nil && f.peers != nil {
		f.stood = gap
		f.ring.interrupt(now)
	}
	f.seen = now
}

// closedFor is how long this server may let nobody in for a key. f.mu is held.
func (f *Fleet) closedFor(key string) time.Duration {
	now := time.Now()
	f.pulse(now)
	return f.ring.opens(key).Sub(now)
}

// openLater serves a key again after a while.
func (f *Fleet) openLater(key string, after time.Duration) {
	time.AfterFunc(after, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.kept.reopen(key)
	})
}
