package conversation

import (
	"maps"
	"sync"
	"time"
)

// room counts the conversations that a process may own at once. Places reserved for a claim under way are not owned yet.
type room struct {
	mu              sync.Mutex
	most            int
	owned, reserved int
}

// take reserves up to n places and returns how many.
func (r *room) take(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = max(0, min(n, max(1, r.most/8), r.most-r.owned-r.reserved)) // one claim under way leaves room for others
	r.reserved += n
	return n
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
