package conversation

import (
	"context"
	"sync"
	"time"

	"parley/internal/chat"
)

// gather is how long the store is not told of what a program's request has spent, for others to come together with it: a key has many requests
// at once, and to tell of each costs as much as all else that it costs here. A process that is killed takes that with it.
const gather = 20 * time.Millisecond

// bills are what programs' requests have spent and the store is still to be told.
type bills struct {
	mu      sync.Mutex
	closed  bool // nothing is gathered any more
	of      map[billTo]*bill
	telling sync.WaitGroup
}

// billTo is whose usage it is.
type billTo struct{ tenant, user string }

// bill is what one user's requests come to since the store was told last.
type bill struct {
	first *Claim // in whose name it is told of all of them
	spent []chat.Spend
}

// add tells the store soon what a request has spent.
func (b *bills) add(s *Service, c *Claim, mine *tally) {
	whose := billTo{c.Key.Tenant, mine.user}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		s.account(context.Background(), c, &tally{user: whose.user, spent: mine.spent})
		return
	}
	defer b.mu.Unlock()
	u := b.of[whose]
	if u == nil {
		if b.of == nil {
			b.of = map[billTo]*bill{}
		}
		u = &bill{}
		b.of[whose] = u
		b.telling.Go(func() { b.tell(s, whose) })
	}
	if u.first == nil {
		u.first = c
	}
	u.spent = append(u.spent, mine.spent...)
}

// tell tells the store of one user's bill, until there is nothing more to tell.
func (b *bills) tell(s *Service, whose billTo) {
	for {
		time.Sleep(gather)
		now, ok := b.take(whose)
		if !ok {
			return
		}
		s.account(context.Background(), now.first, &tally{user: whose.user, spent: now.spent})
	}
}

func (b *bills) take(whose billTo) (now bill, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.of[whose]
	if u.first == nil {
		delete(b.of, whose)
		return now, false
	}
	now, *u = *u, bill{}
	return now, true
}

// Settle returns when the store was told, or could not be told, of all that ended calls of Direct have spent. A call that ends later tells of itself
// before it returns.
func (s *Service) Settle() {
	b := &s.directs.bills
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.telling.Wait()
}
