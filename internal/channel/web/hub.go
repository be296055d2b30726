package web

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

// Bounds of open streams: of one browser (its tabs) and of one channel in this process.
const (
	maxPerBrowser = 8
	maxStreams    = 20000
)

// hub knows this process's open streams, so that a message or a part that passes here is shown at once. It is a shortcut only: a
// stream finds everything by looking, too.
type hub struct {
	mu      sync.Mutex
	streams map[string]map[*stream]struct{} // by browser
	count   int
	gauge   prometheus.Gauge
	done    chan struct{}
	closed  bool
}

func newHub(g prometheus.Gauge) *hub {
	return &hub{streams: map[string]map[*stream]struct{}{}, gauge: g, done: make(chan struct{})}
}

// add admits a stream; its kind of refusal is RateLimited for a browser with too many, Overloaded for a full process.
func (h *hub) add(s *stream) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return chat.E(chat.Unavailable, "web.stream", nil)
	case len(h.streams[s.key.ID]) >= maxPerBrowser:
		return chat.E(chat.RateLimited, "web.stream", nil)
	case h.count >= maxStreams:
		return chat.E(chat.Overloaded, "web.stream", nil)
	}
	if h.streams[s.key.ID] == nil {
		h.streams[s.key.ID] = map[*stream]struct{}{}
	}
	h.streams[s.key.ID][s] = struct{}{}
	h.count++
	h.gauge.Inc()
	return nil
}

func (h *hub) remove(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams[s.key.ID], s)
	if len(h.streams[s.key.ID]) == 0 {
		delete(h.streams, s.key.ID)
	}
	h.count--
	h.gauge.Dec()
}

// note is what wakes a stream.
type note struct {
	expect string // the id of a message that is being answered now
	sent   bool   // a finished part is in the feed
}

// tell wakes a browser's streams.
func (h *hub) tell(browser string, n note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams[browser] {
		select {
		case s.news <- n:
		default: // it has enough to wake up for, and stays fast while it has
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.done)
	}
}
