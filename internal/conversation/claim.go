package conversation

import (
	"context"
	"math/rand/v2"
	"time"

	"parley/internal/chat"
)

// claimBatch bounds what one claim takes of one shard: its answer holds whole histories.
const claimBatch = 64

// claimLoop claims where a hint says so at once, and everywhere at each poll, for what other replicas left ready.
func (s *Service) claimLoop(ctx, work context.Context) {
	poll := time.NewTicker(s.Poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hints.wake:
			for tenant, shards := range byTenant(s.hints.take()) {
				s.claimAt(ctx, work, tenant, shards)
			}
		case <-poll.C:
			for _, tenant := range s.Directory.Tenants() {
				s.claimAt(ctx, work, tenant, shardsOf(tenant))
			}
		}
	}
}

func byTenant(shards []Shard) map[string][]Shard {
	out := map[string][]Shard{}
	for _, sh := range shards {
		out[sh.Tenant] = append(out[sh.Tenant], sh)
	}
	return out
}

func shardsOf(tenant string) []Shard {
	out := make([]Shard, Shards)
	for i := range out {
		out[i] = Shard{Tenant: tenant, Index: i}
	}
	return out
}

// claimAt claims until a tenant's shards have nothing ready or this process has no room.
func (s *Service) claimAt(ctx, work context.Context, tenant string, shards []Shard) {
	t, ok := s.Directory.Tenant(tenant)
	if !ok {
		return // its document is gone: its messages wait for a process that knows the tenant
	}
	rand.Shuffle(len(shards), func(i, j int) { shards[i], shards[j] = shards[j], shards[i] }) // little room is shared fairly
	for len(shards) > 0 && ctx.Err() == nil {
		room := s.reserve(len(shards) * claimBatch)
		if room == 0 {
			return // the next poll comes back
		}
		now := shards[:min(room, len(shards))]
		shards = shards[len(now):]
		most := room / len(now)
		claims, err := s.claim(ctx, work, now, most, s.claimOptions(t))
		s.unreserve(room - len(claims))
		if err != nil {
			s.metrics.storeErrors.WithLabelValues("claim").Inc()
			s.reconcile(ctx, now)
			return
		}
		shards = append(shards, full(claims, most)...)
	}
}

// full lists the shards that gave as much as was asked: they may have more.
func full(claims []Claim, most int) []Shard {
	count := map[Shard]int{}
	var out []Shard
	for _, c := range claims {
		if count[c.Shard]++; count[c.Shard] == most {
			out = append(out, c.Shard)
		}
	}
	return out
}

func (s *Service) claimOptions(t *chat.Tenant) ClaimOptions {
	return ClaimOptions{Lease: s.Lease, InFlight: t.Limits.TurnsInFlight, HistoryTurns: t.History.Turns}
}

func (s *Service) claim(ctx, work context.Context, shards []Shard, most int, opt ClaimOptions) ([]Claim, error) {
	s.claiming.RLock()
	defer s.claiming.RUnlock()
	began := time.Now()
	claims, err := s.Store.Claim(ctx, shards, s.Owner, most, opt)
	s.metrics.step("claim", began)
	for _, c := range claims {
		s.start(work, c)
	}
	return claims, err
}

func (s *Service) reserve(n int) int {
	for i := range n {
		select {
		case s.slots <- struct{}{}:
		default:
			return i
		}
	}
	return n
}

func (s *Service) unreserve(n int) {
	for range n {
		<-s.slots
	}
}

// reconcile releases what the store says this process owns and it does not know of: the answer of a step was lost, or a claim that had
// timed out here was carried out later. The next poll claims it again.
func (s *Service) reconcile(ctx context.Context, shards []Shard) {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	for _, sh := range shards {
		held, err := s.Store.Owned(ctx, sh, s.Owner)
		if err != nil {
			return // the next renewal sees the difference again
		}
		for _, h := range held {
			s.mu.Lock()
			_, known := s.running[h.Handle]
			s.mu.Unlock()
			if !known && s.Store.Release(ctx, Claim{Shard: h.Shard, Owner: s.Owner, Handle: h.Handle, Fence: h.Fence}) != nil {
				return
			}
		}
	}
}
