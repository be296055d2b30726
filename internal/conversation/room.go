package conversation

import (
	"maps"
	"sync"
	"time"
)

// room counts the conversations that a process may own at once. Places reserved for a claim under way are not owned yet.
//
// Turns that wait for a server or a key hold a place for minutes. Where several tenants share a process, those of one tenant may hold as many
// places as are free, and the rest of its people wait in their mailboxes: however many tenants wait, another one finds room.
type room struct {
	mu              sync.Mutex
	most            int
	owned, reserved int
	shared          bool           // there are several tenants
	queue           int            // of owned: those that wait
	queued          map[string]int // the same by tenant
}

// take reserves up to n places for a tenant and returns how many. One that waits already gets no more than may wait, too.
func (r *room) take(tenant string, n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.most - r.owned - r.reserved
	n = min(n, max(1, r.most/8), left) // one claim under way leaves room for others
	if waits := r.queued[tenant]; r.shared && waits > 0 {
		n = min(n, (left-waits+1)/2) // each takes one of those left and adds one to those that wait
	}
	n = max(0, n)
	r.reserved += n
	return n
}

// undecided says whether claims under way hold places that they may not need.
func (r *room) undecided() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reserved > 0 && r.owned < r.most
}

// share says whether several tenants use the places.
func (r *room) share(several bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shared = several
}

// enqueue lets a turn wait in its place; false: others need the place more. Whoever was let in leaves by dequeue.
func (r *room) enqueue(tenant string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shared && r.queued[tenant] >= max(1, r.most-r.owned) {
		return false
	}
	if r.queued == nil {
		r.queued = map[string]int{}
	}
	r.queue++
	r.queued[tenant]++
	return true
}

func (r *room) dequeue(tenant string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue--
	if r.queued[tenant]--; r.queued[tenant] == 0 {
		delete(r.queued, tenant)
	}
}

// claimed ends a reservation of n places, of which got are owned now.
func (r *room) claimed(n, got int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= n
	r.owned += got
}

// free gives one place back.
func (r *room) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned--
}

// left is how many places there are, and whether they are scarce.
func (r *room) left() (n int, scarce bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.most - r.owned
	return n, n < r.most/10
}

// trouble remembers where and when the store last failed, or this process stood still. There owners may live that could not renew: nobody
// is to be thought dead until they have had time to.
type trouble struct {
	mu    sync.Mutex
	last  map[Shard]time.Time
	every time.Time // in all shards
}

func (t *trouble) note(shards []Shard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[Shard]time.Time{}
	}
	for _, sh := range shards {
		t.last[sh] = time.Now()
	}
}

func (t *trouble) noteAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.every = time.Now()
}

// quiet are those of shards without trouble for d.
func (t *trouble) quiet(shards []Shard, d time.Duration) []Shard {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.every.IsZero() && now.Sub(t.every) < d {
		return nil
	}
	maps.DeleteFunc(t.last, func(_ Shard, at time.Time) bool { return now.Sub(at) >= d })
	var out []Shard
	for _, sh := range shards {
		if _, bad := t.last[sh]; !bad {
			out = append(out, sh)
		}
	}
	return out
}
