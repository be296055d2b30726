package memstore

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// budget is what a tenant's people may spend in a day; see redisstore's budget.lua for its twin.
type budget struct {
	day      conversation.Day
	spent    int
	users    map[string]int // spent
	reserved map[string]reservation
	settled  map[settlement]time.Time // until when that is known
}

type reservation struct {
	conversation.Reservation
	until time.Time
}

type settlement struct {
	turn  string
	fence int64
}

// settledFor is how long it is known that a turn was settled.
const settledFor = time.Hour

// budget gives a tenant's budget of the day, without what has run out. Call it with the lock held.
func (s *Store) budget(tenant string, now time.Time) *budget {
	b := s.budgets[tenant]
	if b == nil {
		b = &budget{reserved: map[string]reservation{}, settled: map[settlement]time.Time{}}
		s.budgets[tenant] = b
	}
	if d := conversation.DayOf(now); b.day != d {
		b.day, b.spent, b.users = d, 0, map[string]int{}
	}
	for turn, r := range b.reserved {
		if !now.Before(r.until) {
			delete(b.reserved, turn)
		}
	}
	for k, until := range b.settled {
		if !now.Before(until) {
			delete(b.settled, k)
		}
	}
	return b
}

// held is what turns in flight have reserved.
func (b *budget) held(user string) (all, own int) {
	for _, r := range b.reserved {
		all += r.Tokens
		if r.User == user {
			own += r.Tokens
		}
	}
	return all, own
}

func (b *budget) grant(r conversation.Reservation) conversation.Grant {
	full := func(spent, limit int) bool { return limit > 0 && spent >= limit }
	short := func(spent, held, limit int) bool { return limit > 0 && held > 0 && spent+held+r.Tokens > limit }
	all, own := b.held(r.User)
	switch {
	case full(b.users[r.User], r.UserCap):
		return conversation.GrantUserFull
	case full(b.spent, r.PerDay):
		return conversation.GrantTenantFull
	case short(b.spent, all, r.PerDay), short(b.users[r.User], own, r.UserCap):
		return conversation.GrantHeld
	}
	return conversation.GrantOK
}

// Reserve implements conversation.Ledger.
func (s *Store) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	const op = "memstore.reserve"
	if err := ctx.Err(); err != nil {
		return conversation.Granted{}, chat.E(chat.KindOf(err), op, err)
	}
	if err := conversation.CheckReservation(r); err != nil {
		return conversation.Granted{}, chat.E(chat.Invalid, op, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b := s.budget(r.Tenant, now)
	out := conversation.Granted{Grant: conversation.GrantHeld, Opens: b.day.Ends().UTC()}
	if held, ok := b.reserved[r.Turn]; ok && held.Fence > r.Fence {
		return out, nil // a later owner's
	}
	if _, over := b.settled[settlement{r.Turn, r.Fence}]; over {
		return out, nil // it comes late: nobody would settle it
	}
	delete(b.reserved, r.Turn)
	out.Grant = b.grant(r)
	if out.Grant == conversation.GrantOK {
		b.reserved[r.Turn] = reservation{r, now.Add(r.For)}
	}
	return out, nil
}

// Settle implements conversation.Ledger.
func (s *Store) Settle(ctx context.Context, r conversation.Reservation, tokens int) error {
	if err := ctx.Err(); err != nil {
		return chat.E(chat.KindOf(err), "memstore.settle", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	b := s.budget(r.Tenant, now)
	mark := settlement{r.Turn, r.Fence}
	if _, before := b.settled[mark]; before {
		return nil
	}
	b.settled[mark] = now.Add(settledFor)
	if held, ok := b.reserved[r.Turn]; ok && held.Fence <= r.Fence {
		delete(b.reserved, r.Turn)
	}
	b.spent += max(tokens, 0)
	b.users[r.User] += max(tokens, 0)
	return nil
}

// Budget implements conversation.Ledger. Days that are over are zero.
func (s *Store) Budget(ctx context.Context, tenant, user string, d conversation.Day) (conversation.Budget, error) {
	if err := ctx.Err(); err != nil {
		return conversation.Budget{}, chat.E(chat.KindOf(err), "memstore.budget", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.budget(tenant, s.now())
	if b.day != d {
		return conversation.Budget{}, nil
	}
	return conversation.Budget{Spent: b.spent, User: b.users[user]}, nil
}
