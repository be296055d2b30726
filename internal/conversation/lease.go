package conversation

import (
	"context"
	"time"
)

// renewLoop keeps the leases of all shards in which something runs, in one pipeline a tick, and hears of stop commands.
func (s *Service) renewLoop(ctx context.Context) {
	surplus := map[Shard]bool{} // shards that showed more than runs here at the last renewal, too
	every(ctx, s.Lease/4, func() {
		runs := s.runs()
		if len(runs) == 0 {
			return
		}
		shards := make([]Shard, 0, len(runs))
		for sh := range runs {
			shards = append(shards, sh)
		}
		began := time.Now()
		got, err := s.Store.Renew(ctx, s.Owner, shards, s.Lease)
		s.metrics.step("renew", began)
		if err != nil {
			s.metrics.storeErrors.WithLabelValues("renew").Inc()
			s.Log.Warn("renewing leases failed; what another replica takes meanwhile is fenced off", "err", err)
			return
		}
		for _, sh := range got.Lost {
			s.lose(sh, got.LostFence[sh])
		}
		for _, h := range got.Stops {
			s.stop(h)
		}
		s.settle(ctx, runs, got.Owns, surplus)
	})
}

// settle reconciles shards in which the store has seen more, twice in a row, than runs here: once may be a claim under way.
func (s *Service) settle(ctx context.Context, runs, owns map[Shard]int, surplus map[Shard]bool) {
	var twice []Shard
	for sh, n := range owns {
		switch more := n > runs[sh]; {
		case more && surplus[sh]:
			twice = append(twice, sh)
			delete(surplus, sh)
		case more:
			surplus[sh] = true
		default:
			delete(surplus, sh)
		}
	}
	if len(twice) > 0 {
		s.Log.Warn("the store holds conversations for this process that it does not work on; giving them back", "shards", len(twice))
		s.reconcile(ctx, twice)
	}
}

// runs counts what this process runs, by shard.
func (s *Service) runs() map[Shard]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[Shard]int{}
	for _, r := range s.running {
		out[r.shard]++
	}
	return out
}

// lose drops the turns of a shard whose lease had ended, up to the fence at which that was seen.
func (s *Service) lose(sh Shard, fence int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.running {
		if r.shard == sh && r.fence <= fence {
			r.cancel(errLost)
			n++
		}
	}
	if n > 0 {
		s.metrics.lost.Add(float64(n))
		s.Log.Warn("lease lost, turns dropped; another replica goes on with them", "tenant", sh.Tenant, "shard", sh.Index, "turns", n)
	}
}

// stop cancels the turn that h names if this process still runs it.
func (s *Service) stop(h Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.running[h.Handle]; ok && r.fence == h.Fence {
		r.cancel(errStopped)
	}
}

// stopLoop hears of stop commands that any replica accepted. A lost notice is made up for by the next renewal.
func (s *Service) stopLoop(ctx context.Context) {
	for h := range s.Store.Stops(ctx, s.Owner) {
		s.stop(h)
	}
}

// reapLoop returns dead owners' conversations to ready, and has them claimed.
func (s *Service) reapLoop(ctx context.Context) {
	every(ctx, max(s.Lease/4, 50*time.Millisecond), func() {
		for _, tenant := range s.Directory.Tenants() {
			shards := shardsOf(tenant)
			n, err := s.Store.Reap(ctx, shards)
			if err != nil {
				s.metrics.storeErrors.WithLabelValues("reap").Inc()
				return
			}
			if n > 0 {
				s.metrics.reaped.Add(float64(n))
				s.Log.Info("took over conversations of a dead owner", "tenant", tenant, "conversations", n)
				s.hints.add(shards...)
			}
		}
	})
}
