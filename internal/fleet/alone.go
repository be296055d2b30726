package fleet

import (
	"context"
	"time"

	"parley/internal/chat"
)

// countsAlone reports whether a key of this keeper is counted in this process alone: because the others would refuse this server, or
// because the keeper could not be asked a moment ago. After that moment one call tries again.
func (f *Fleet) countsAlone(addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view.Barred {
		return true
	}
	until, doubted := f.doubts[addr]
	if !doubted {
		return false
	}
	now := time.Now()
	if now.Before(until) {
		return true
	}
	f.doubts[addr] = now.Add(max(doubtFor, 2*f.patience)) // meanwhile the others do not wait for this one's trial
	return false
}

// doubt counts the keys of a keeper in this process from now on.
func (f *Fleet) doubt(addr string, why error) {
	f.mu.Lock()
	_, known := f.doubts[addr]
	f.doubts[addr] = time.Now().Add(doubtFor)
	f.mu.Unlock()
	if !known {
		hint := "see that this server reaches it"
		if kind := chat.KindOf(why); kind == chat.NotFound {
			hint = "it runs an older release: update it"
		}
		f.log.Warn("a server that keeps keys cannot be asked: calls with them are counted in this server alone, against its share of their limits",
			"keeper", addr, "err", why, "mend", hint)
	}
}

// trust ends a doubt.
func (f *Fleet) trust(addr string) {
	f.mu.Lock()
	_, doubted := f.doubts[addr]
	delete(f.doubts, addr)
	f.mu.Unlock()
	if doubted {
		f.log.Info("a server that keeps keys can be asked again", "keeper", addr)
	}
}

// obtainAlone counts a call in this process, against the limit's share of one server.
func (f *Fleet) obtainAlone(ctx context.Context, h *hold, wait bool) error {
	f.mu.Lock()
	share := max(1, h.limit/(1+max(f.view.Known, len(f.view.Servers))))
	s := f.alone.ask(KeyAsk{Key: h.key, Limit: share, Try: !wait})
	f.mu.Unlock()
	free := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.alone.free(s)
	}
	if err := s.wait(ctx); err != nil {
		free()
		return err
	}
	context.AfterFunc(h.ctx, free)
	f.metrics.alone.Inc()
	return nil
}
