package conversation

import (
	"sync"
	"time"
)

// holdings are the seats of its tenants that this process holds (see [Seats]), and who sits there.
type holdings struct {
	mu   sync.Mutex
	last int64 // ask
	of   map[string]*holding
}

// holding is the same of one tenant.
type holding struct {
	limit    int       // 0: none, and no seats
	held     int       // as the store said last; while it is asked, no more than are taken
	asked    time.Time // when that was
	owned    int       // conversations
	reserved int       // for claims under way
	peak     int       // of owned since the last renewal
	full     bool      // nobody held a free one, at the last answer
	short    bool      // conversations wait for a seat
	waking   bool      // they will be looked for soon
	asking   chan struct{}
}

func (h *holding) taken() int { return h.owned + h.reserved }

// some is how many seats to hold besides n: so many turns begin without asking the store.
func some(n int) int { return max(8, n/4) }

func (hs *holdings) at(tenant string) *holding {
	h := hs.of[tenant]
	if h == nil {
		if hs.of == nil {
			hs.of = map[string]*holding{}
		}
		h = &holding{}
		hs.of[tenant] = h
	}
	return h
}

// take reserves up to n seats that this process holds, at least least of them or none. What the store said more than fresh ago is not relied
// on: leases of conversations that are claimed now must not outlive the seats'.
func (hs *holdings) take(tenant string, limit, n, least int, fresh time.Duration) int {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	h.limit = limit
	if limit > 0 {
		left := min(h.held, limit) - h.taken()
		if left < least || time.Since(h.asked) >= fresh {
			return 0
		}
		n = min(n, left)
	}
	h.short = false
	h.reserved += n
	return n
}

// lacks says whether conversations wait for a seat.
func (hs *holdings) lacks(tenant string, short bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.at(tenant).short = short
}

func (hs *holdings) short(tenant string) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	return hs.at(tenant).short
}

// claimed ends a reservation of n seats, of which got are sat in now.
func (hs *holdings) claimed(tenant string, n, got int) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	h.reserved -= n
	h.owned += got
	h.peak = max(h.peak, h.owned)
}

// rise leaves one seat. wake: somebody waits for it, and nobody was told to look.
func (hs *holdings) rise(tenant string) (wake bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	h.owned--
	wake = h.short && !h.waking
	h.waking = h.waking || wake
	return wake
}

func (hs *holdings) woken(tenant string) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.at(tenant).waking = false
}

// idle says whether seats are to be given back at once: some are free here, and none elsewhere.
func (hs *holdings) idle(tenant string) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	return h.limit > 0 && h.full && h.held > h.taken()
}

func (hs *holdings) free(tenant string) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	return h.held > h.taken()
}

// old says whether the store's last answer is from so long ago.
func (hs *holdings) old(tenant string, age time.Duration) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	return h.limit > 0 && time.Since(h.asked) >= age
}

// over is how many conversations have no seat when more are owned: all, where the store's last answer is so old.
func (hs *holdings) over(tenant string, more int, age time.Duration) int {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	switch h := hs.at(tenant); {
	case h.limit <= 0:
		return 0
	case time.Since(h.asked) >= age:
		return h.owned + more
	default:
		return max(0, h.owned+more-h.held)
	}
}

// begin makes an ask for n seats more than are taken, and spare ones if there are many. Until end is called nobody takes another seat, so that
// none is given away that is sat in. under: an ask is under way; it is closed when that has ended.
func (hs *holdings) begin(tenant string, n, spare int, reap bool) (a SeatAsk, under <-chan struct{}) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.at(tenant)
	if h.asking != nil {
		return a, h.asking
	}
	return hs.ask(tenant, h, n, spare, reap), nil
}

func (hs *holdings) ask(tenant string, h *holding, n, spare int, reap bool) SeatAsk {
	h.asking = make(chan struct{})
	h.held = min(h.held, h.taken())
	hs.last++
	return SeatAsk{Tenant: tenant, Limit: h.limit, Seq: hs.last, Runs: h.taken(), Need: h.taken() + n, Spare: spare, Reap: reap}
}

// renewals makes asks that keep what is needed: as much as was at most since the last renewal, and some. leaving: nothing is claimed any more.
func (hs *holdings) renewals(leaving bool) (asks []SeatAsk) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for tenant, h := range hs.of {
		spare := 0
		if h.peak > 0 && !leaving {
			spare = max(0, h.peak-h.taken()) + some(h.peak)
		}
		h.peak = h.owned
		switch {
		case h.asking != nil: // which renews them, too
		case h.taken() == 0 && (h.held == 0 || h.limit <= 0) && !h.short && !h.waking:
			delete(hs.of, tenant)
		case h.limit > 0 && h.held+h.taken() > 0:
			asks = append(asks, hs.ask(tenant, h, 0, spare, false))
		}
	}
	return asks
}

// end takes the store's answers to asks that were sent at a time.
func (hs *holdings) end(asks []SeatAsk, got map[string]Seated, sent time.Time) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	for _, a := range asks {
		h := hs.at(a.Tenant)
		if g, ok := got[a.Tenant]; ok {
			// Of what a lowered limit has too many nothing is sat in anew, or those who leave would only make room for others here.
			h.held, h.full, h.asked = max(0, g.Held+min(0, g.Free)), g.Free <= 0, sent
		}
		close(h.asking)
		h.asking = nil
	}
}
