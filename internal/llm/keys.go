package llm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// How long a key rests after a failure that is the key's own.
const (
	restRate  = time.Second      // a rate limit without Retry-After
	restFault = 10 * time.Second // refused or out of money: an operator has to act, and it is seen soon that one did
	restMost  = time.Hour
)

// keyring knows which keys are busy and which rest. A provider that needs no key has the zero key.
type keyring struct {
	mu      sync.Mutex
	next    int // rotates the start of the search
	state   map[keyID]*keyState
	sweepAt int
}

// keyID knows a key by a digest long enough that two tenants' keys are never one.
type keyID struct {
	provider string
	digest   [sha256.Size]byte
}

// lease is a key in use.
type lease struct {
	id  keyID
	key chat.Secret
}

type keyState struct {
	running int
	until   time.Time // rests until
	why     chat.Error
}

func newKeyring() *keyring { return &keyring{state: map[keyID]*keyState{}, sweepAt: 1024} }

// take finds the key of a choice with the fewest calls among those that neither rest nor are full. Errors: why the key rests
// that comes back first, or Overloaded.
func (r *keyring) take(c route.Choice) (lease, error) {
	keys := c.Keys
	if len(keys) == 0 {
		keys = []chat.Secret{{}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.sweep(now)
	r.next++
	var best lease
	var resting *keyState
	fewest := -1
	for i := range keys {
		key := keys[(i+r.next)%len(keys)]
		id := keyID{c.Provider.Name, sha256.Sum256([]byte(key.Reveal()))}
		s := r.state[id]
		if s != nil && now.Before(s.until) {
			if resting == nil || s.until.Before(resting.until) {
				resting = s
			}
			continue
		}
		running := 0
		if s != nil {
			running = s.running
		}
		if c.Provider.Concurrency > 0 && running >= c.Provider.Concurrency {
			continue
		}
		if fewest < 0 || running < fewest {
			best, fewest = lease{id, key}, running
		}
	}
	switch {
	case fewest >= 0:
		if r.state[best.id] == nil {
			r.state[best.id] = &keyState{}
		}
		r.state[best.id].running++
		return best, nil
	case resting != nil:
		e := resting.why
		e.RetryAfter, e.Err = 0, fmt.Errorf("every free key of %s rests after this error", c.Provider.Name)
		if e.Kind.Retryable() {
			e.RetryAfter = resting.until.Sub(now)
		}
		return lease{}, &e
	default:
		return lease{}, &chat.Error{Kind: chat.Overloaded, Op: opComplete, RetryAfter: restRate,
			Err: fmt.Errorf("every key of %s has %d calls running", c.Provider.Name, c.Provider.Concurrency)}
	}
}

// give ends a call and lets its key rest if the failure calls for it.
func (r *keyring) give(l lease, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state[l.id]
	s.running--
	now := time.Now()
	if e, ok := errors.AsType[*chat.Error](failure); ok {
		if until := now.Add(restAfter(e)); until.After(s.until) {
			s.until, s.why = until, chat.Error{Kind: e.Kind, Op: e.Op, Code: e.Code}
		}
	}
	if s.running == 0 && !now.Before(s.until) {
		delete(r.state, l.id)
	}
}

func restAfter(e *chat.Error) time.Duration {
	switch {
	case e.Kind == chat.Unauthenticated || e.Kind == chat.Billing:
		return max(restFault, min(e.RetryAfter, restMost))
	case e.RetryAfter > 0:
		return min(e.RetryAfter, restMost)
	case e.Kind == chat.RateLimited:
		return restRate
	}
	return 0
}

// sweep forgets keys that rested and were never asked for again: tenants' keys come and go.
func (r *keyring) sweep(now time.Time) {
	if len(r.state) < r.sweepAt {
		return
	}
	for id, s := range r.state {
		if s.running == 0 && !now.Before(s.until) {
			delete(r.state, id)
		}
	}
	r.sweepAt = max(1024, 2*len(r.state))
}
