package llm

import (
	"sync"
	"time"

	"parley/internal/chat"
)

// When a provider's breaker shuts, and for how long. One server judges by what it saw itself: a fault between it and the provider is its own.
const (
	// tripRow failures in a row, as Envoy ejects a host: an outage is seen within moments under load, and after five people without.
	tripRow = 5
	// Or half of the calls of a window failed, if they were enough to mean something: a provider that fails every other call never fails five
	// times in a row for long, and makes every second person wait for a fallback.
	tripShare  = 0.5
	tripCalls  = 20
	tripWindow = 30 * time.Second
	// The first rest outlasts a restart of a proxy. The longest one, with an answer's time for the probe, keeps the way back within a minute.
	shutFirst = 5 * time.Second
	shutMost  = 30 * time.Second

	// A turn in five may be tried once more at the same provider (Envoy's and Finagle's 20 %), so that retries cannot double an outage's load.
	// The burst and one a minute are for a quiet system, where a fifth of a few turns would be none.
	retryShare  = 0.2
	retryBurst  = 10
	retryMinute = 1.0
)

// health is what a server knows of one provider: its breaker and its retry budget. It is safe for concurrent use.
type health struct {
	mu      sync.Mutex
	breaker breaker
	row     int // failures since the last success
	began   time.Time
	calls   int // since began
	failed  int
	retries float64 // that may still be made
	filled  time.Time
}

func newHealth() *health { return &health{retries: retryBurst, filled: time.Now()} }

// change is what a call's end did to a breaker.
type change int

const (
	unchanged change = iota
	nowShut
	nowOpen
)

// faultOf: only the provider's own faults count against it: it cannot be reached, is too slow, or has no capacity. What it says of one key or one
// question is no fault of its own, an empty answer can be what a question asked for, and what Parley ended tells nothing.
func faultOf(failure *chat.Error) bool {
	switch failure.Kind {
	case chat.Unavailable, chat.Timeout, chat.Overloaded:
		return failure.Code != CodeEmpty
	}
	return false
}

// answered: the call was served, if only by a clear no.
func answered(failure *chat.Error) bool {
	if failure == nil {
		return true
	}
	switch failure.Kind {
	case chat.Rejected, chat.TooLarge, chat.Invalid:
		return true
	}
	return false
}

func (h *health) admits(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.breaker.admits(now)
}

func (h *health) enter(now time.Time, force bool) (pass, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.breaker.enter(now, force)
}

// ended counts a call. counts is false if its end says nothing of the provider, whatever the failure is.
func (h *health) ended(now time.Time, p pass, failure *chat.Error, counts bool) change {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !counts || failure != nil && !faultOf(failure) && !answered(failure):
		h.breaker.leave(p)
	case answered(failure):
		if h.breaker.well(p) {
			return nowOpen
		}
		h.tally(now, p, false)
	case h.breaker.probedBy(p):
		h.breaker.shut(now, shutFirst, shutMost, failure)
	case h.tally(now, p, true):
		h.row, h.calls, h.failed = 0, 0, 0
		h.breaker.shut(now, shutFirst, shutMost, failure)
		return nowShut
	}
	return unchanged
}

// tally counts a call through an open breaker and reports whether it is time to shut it. Late ends of calls from before a rest do not count:
// a thousand calls that hung together are one failure.
func (h *health) tally(now time.Time, p pass, fault bool) bool {
	if h.breaker.trips > 0 || p.round != h.breaker.round {
		return false
	}
	if now.Sub(h.began) >= tripWindow {
		h.began, h.calls, h.failed = now, 0, 0
	}
	h.calls++
	if !fault {
		h.row = 0
		return false
	}
	h.row++
	h.failed++
	return h.row >= tripRow || h.calls >= tripCalls && float64(h.failed) >= tripShare*float64(h.calls)
}

// turn adds one turn's share to the retry budget.
func (h *health) turn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retries = min(h.retries+retryShare, retryBurst)
}

// retry takes one retry out of the budget, if there is one.
func (h *health) retry(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retries = min(h.retries+now.Sub(h.filled).Minutes()*retryMinute, retryBurst)
	h.filled = now
	if h.retries < 1 {
		return false
	}
	h.retries--
	return true
}

// rest is how long the breaker keeps turns away yet, at least a second while a probe is on its way.
func (h *health) rest(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.breaker.probing {
		return max(time.Second, h.breaker.until.Sub(now))
	}
	return h.breaker.until.Sub(now)
}
