package conversation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley/internal/chat"
)

// Seats live a little longer than the conversations of those who sit there: these are another's before the seats are. Where that difference
// is used up, the store is asked before more is claimed.
func (s *Service) seatLease() time.Duration { return s.Lease + s.seatFresh() }
func (s *Service) seatFresh() time.Duration { return s.Lease * 3 / 8 }

// seatsOf stands for a tenant's seats among the shards in which the store may fail.
func seatsOf(tenant string) []Shard { return []Shard{{Tenant: tenant, Index: Shards}} }

// sit reserves seats for up to n conversations and says in which of the shards to claim them. Most of the time this process holds enough; if
// not, it looks where something is ready, the oldest first, and asks the store for as many seats.
func (s *Service) sit(ctx context.Context, t *chat.Tenant, shards []Shard, n int) ([]Shard, int) {
	limit, fresh := t.Limits.TurnsInFlight, s.seatFresh()
	if got := s.holdings.take(t.Name, limit, n, min(n, len(shards)), fresh); got > 0 {
		return shards, got
	}
	need := 1
	if len(shards) > 1 { // of one it is known: somebody was hinted at it
		if shards, need = s.look(ctx, shards); need == 0 {
			s.holdings.lacks(t.Name, false)
			return nil, 0
		}
		n = min(n, need)
		need = n
		if got := s.holdings.take(t.Name, limit, n, n, fresh); got > 0 {
			return shards, got
		}
	}
	for {
		asked := s.seekOnce(ctx, t.Name, need, false)
		// Another's ask may have brought enough for all who waited for it. While one is under way nobody takes a seat, so each is to be worth it.
		if got := s.holdings.take(t.Name, limit, n, 1, fresh); got > 0 || asked || ctx.Err() != nil {
			s.holdings.lacks(t.Name, got < need)
			return shards, got
		}
	}
}

// look lists the shards in which something is ready, the oldest first, and how much there is.
func (s *Service) look(ctx context.Context, shards []Shard) (out []Shard, n int) {
	found, err := s.Store.Look(ctx, shards)
	if err != nil {
		s.failed("look", err, shards)
	}
	slices.SortStableFunc(found, func(a, b Found) int { return a.Since.Compare(b.Since) })
	for _, f := range found {
		if f.Ready > 0 {
			out, n = append(out, f.Shard), n+f.Ready
		}
	}
	return out, n
}

// seek asks for n seats more than are taken; of 0 it gives back what is free.
func (s *Service) seek(ctx context.Context, tenant string, n int, reap bool) {
	for !s.seekOnce(ctx, tenant, n, reap) && ctx.Err() == nil {
	}
}

// seekOnce is seek, but where an ask is under way it only waits for that to end: then it is false.
func (s *Service) seekOnce(ctx context.Context, tenant string, n int, reap bool) (asked bool) {
	a, under := s.holdings.begin(tenant, n, min(n, 1)*some(n), reap)
	if under == nil {
		s.askSeats(ctx, []SeatAsk{a})
		return true
	}
	select {
	case <-under:
	case <-ctx.Done():
	}
	return false
}

func (s *Service) askSeats(ctx context.Context, asks []SeatAsk) {
	sent := time.Now()
	got, err := s.Store.Seat(ctx, s.Owner, asks, s.seatLease())
	s.metrics.step("seat", sent)
	if err != nil {
		var failed []Shard
		for _, a := range asks {
			if _, ok := got[a.Tenant]; !ok {
				failed = append(failed, seatsOf(a.Tenant)...)
			}
		}
		s.failed("seat", err, failed)
	}
	s.holdings.end(asks, got, sent)
}

// seatLoop keeps the leases of this process's seats, and lets go what it needs no longer.
func (s *Service) seatLoop(ctx context.Context) {
	every(ctx, s.Lease/4, func() {
		if asks := s.holdings.renewals(s.leaving.Err() != nil); len(asks) > 0 {
			slices.SortFunc(asks, func(a, b SeatAsk) int { return cmp.Compare(a.Tenant, b.Tenant) })
			s.askSeats(ctx, asks)
		}
	})
}

// vacate gives all seats back at the end.
func (s *Service) vacate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if asks := s.holdings.renewals(true); len(asks) > 0 {
		s.askSeats(ctx, asks)
	}
}

// rise leaves the seat of a conversation that this process owns no longer. Who waits for one is looked for soon, and not for each by itself.
func (s *Service) rise(tenant string) {
	if !s.holdings.rise(tenant) {
		return
	}
	time.AfterFunc(s.Poll/5, func() {
		s.holdings.woken(tenant)
		s.hints.add(shardsOf(tenant)...)
	})
}

// unseated is how many conversations are without a seat when this process owns more of them: it stood still since it asked for seats, and was
// thought dead. Only then the store is asked.
func (s *Service) unseated(ctx context.Context, tenant string, more int) int {
	if s.holdings.old(tenant, s.seatLease()) {
		s.seek(ctx, tenant, 0, false)
	}
	return s.holdings.over(tenant, more, s.seatLease())
}

// confirm gives back of new claims what there are no seats for any more.
func (s *Service) confirm(ctx context.Context, tenant string, claims []Claim) []Claim {
	if len(claims) == 0 {
		return claims
	}
	keep := len(claims) - min(len(claims), s.unseated(ctx, tenant, len(claims)))
	for _, c := range claims[keep:] {
		s.release(ctx, &c)
	}
	return claims[:keep]
}

// goesOn says whether there is still a seat for the next message of a conversation; if not, it is given back.
func (s *Service) goesOn(ctx context.Context, c *Claim) bool {
	if s.unseated(ctx, c.Shard.Tenant, 0) == 0 {
		return true
	}
	s.release(ctx, c)
	return false
}

// inherit takes dead owners' seats for conversations that wait, once their conversations were taken.
func (s *Service) inherit(ctx context.Context, tenant string) {
	if s.holdings.short(tenant) && len(s.trouble.quiet(seatsOf(tenant), s.Lease)) > 0 {
		if s.seek(ctx, tenant, 1, true); s.holdings.free(tenant) {
			s.hints.add(shardsOf(tenant)...)
		}
	}
}
