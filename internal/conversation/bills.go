package conversation

import (
	"context"
	"sync"

	"parley/internal/chat"
)

// bills gather what programs' requests have spent while the store is being told of earlier ones: a key has many at once, and telling it of each
// costs as much as all else that a request costs here.
type bills struct {
	mu sync.Mutex
	of map[billTo]*billing
}

// billTo is whose usage it is.
type billTo struct{ tenant, user string }

// billing is what one user's bills come to.
type billing struct {
	open chan struct{} // closed when the one being gathered was told; nil: none is
	told chan struct{} // the same of the one being told
	sum  []chat.Spend  // of the open one
}

// account tells the store what a program's request has spent, and returns when that was done, or could not be done. The first of those that come
// while the store is being told of others waits for that, and tells what has come together by then; the rest wait for it.
func (b *bills) account(ctx context.Context, s *Service, c *Claim, mine *tally) {
	switch {
	case mine.reserved != nil: // it has to be settled by itself
		s.account(ctx, c, mine)
		return
	case !mine.unfinished():
		return
	}
	whose := billTo{c.Key.Tenant, mine.user}
	all, told := b.lead(whose, mine.spent)
	if all == nil {
		<-told
		return
	}
	defer b.end(whose, told)
	s.account(ctx, c, &tally{user: mine.user, spent: all()})
}

// lead adds to a user's open bill. Who opens it has to tell it: all waits for the one before and gives what there is by then. Otherwise all is
// nil, and told is closed when another has told it.
func (b *bills) lead(whose billTo, spent []chat.Spend) (all func() []chat.Spend, told chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.of[whose]
	if u == nil {
		u = &billing{}
		if b.of == nil {
			b.of = map[billTo]*billing{}
		}
		b.of[whose] = u
	}
	u.sum = append(u.sum, spent...)
	if u.open != nil {
		return nil, u.open
	}
	told, before := make(chan struct{}), u.told
	u.open = told
	return func() []chat.Spend {
		if before != nil {
			<-before
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		sum := u.sum
		u.open, u.told, u.sum = nil, told, nil
		return sum
	}, told
}

// end lets those go that waited for a bill to be told.
func (b *bills) end(whose billTo, told chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of[whose].open == nil {
		delete(b.of, whose)
	}
	close(told)
}
