package conversation

import (
	"sync"
	"time"
)

// room counts the conversations that a process may own at once.
type room struct {
	mu   sync.Mutex
	most int
	used int
}

// take reserves up to n places and returns how many.
func (r *room) take(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, r.most-r.used)
	r.used += n
	return n
}

func (r *room) free(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
}

// left is how many places there are, and whether they are scarce.
func (r *room) left() (n int, scarce bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.most - r.used
	return n, n < r.most/10
}

// trouble remembers when the store last failed. While it does, owners everywhere cannot renew: nobody is to be thought dead until they
// have had time to.
type trouble struct {
	mu   sync.Mutex
	last time.Time
}

func (t *trouble) note() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
}

func (t *trouble) within(d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.last.IsZero() && time.Since(t.last) < d
}
