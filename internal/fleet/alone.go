package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/internal/chat"
)

// doubt is why a keeper could not be asked, and until when it is not asked again.
type doubt struct {
	until time.Time
	why   error
}

// Alone says why this server counts calls with keys by itself, on top of what all servers count together; empty: it does not. A keeper that could
// not be asked is named until it can be, or is gone.
func (f *Fleet) Alone() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view.Barred != "" || len(f.doubts) == 0 {
		return f.view.Barred
	}
	addr := slices.Min(slices.Collect(maps.Keys(f.doubts)))
	text := f.doubts[addr].why.Error()
	if addr != "" {
		text = "it cannot ask " + addr + ", which keeps keys: " + text
	}
	if more := len(f.doubts) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// countsAlone reports whether a key of this keeper is counted in this process alone: because the others would refuse this server, or
// because the keeper could not be asked a moment ago. After that moment one call tries again.
func (f *Fleet) countsAlone(addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view.Barred != "" {
		return true
	}
	d, doubted := f.doubts[addr]
	if !doubted {
		return false
	}
	now := time.Now()
	if now.Before(d.until) {
		return true
	}
	f.doubts[addr] = doubt{now.Add(max(doubtFor, 2*f.patience)), d.why} // meanwhile the others do not wait for this one's trial
	return false
}

// doubt counts the keys of a keeper in this process from now on.
func (f *Fleet) doubt(addr string, why error) {
	f.mu.Lock()
	_, known := f.doubts[addr]
	f.doubts[addr] = doubt{time.Now().Add(doubtFor), why}
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
