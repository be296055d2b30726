package conversation

import (
	"context"
	"sync"
	"time"
)

// renewLoop keeps the leases of all shards in which something runs, in one pipeline a tick, and hears of stop commands.
func (s *Service) renewLoop(ctx context.Context) {
	surplus := map[Shard]bool{}        // shards that showed more than runs here at the last renewal, too
	settling := make(chan struct{}, 1) // one at a time, beside the renewals
	var beside sync.WaitGroup
	defer beside.Wait()
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
			s.failed("renew", err)
			s.Log.Warn("renewing leases failed; what another replica takes meanwhile is fenced off", "err", err)
		}
		for _, sh := range got.Lost {
			s.lose(sh, got.LostFence[sh])
		}
		for _, h := range got.Stops {
			s.stop(h)
		}
		twice := more(runs, got.Owns, surplus)
		if len(twice) == 0 {
			return
		}
		select {
		case settling <- struct{}{}:
			beside.Go(func() { defer func() { <-settling }(); s.reconcile(ctx, twice) })
		default:
		}
	})
}

// more lists the shards in which the store has seen more, twice in a row, than runs here: once may be a claim under way.
func more(runs, owns map[Shard]int, surplus map[Shard]bool) (twice []Shard) {
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
	return twice
}

// runs counts what this process runs, by shard.
func (s *Service) runs() map[Shard]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[Shard]int{}
	for h := range s.running {
		out[h.shard]++
	}
	return out
}

// lose drops the turns of a shard whose lease had ended, up to the fence at which that was seen.
func (s *Service) lose(sh Shard, fence int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for h, r := range s.running {
		if h.shard == sh && r.fence <= fence {
			r.lose(errLost)
			n++
		}
	}
	if n > 0 {
		s.metrics.lost.Add(float64(n))
		s.Log.Warn("lease lost, turns dropped; another replica goes on with them", "tenant", sh.Tenant, "shard", sh.Index, "turns", n)
	}
}

// stop cancels the computing that h names if this process is still at it.
func (s *Service) stop(h Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[held{h.Shard, h.Handle}]; r != nil && r.fence == h.Fence {
		r.stop(errStopped)
	}
}

// Suspend ends the answers that are being written for a tenant in this process; their people get a text. Call it when the tenant's
// document says so; messages that wait are the turns' own matter.
func (s *Service) Suspend(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, r := range s.running {
		if h.shard.Tenant == tenant {
			r.stop(errSuspend)
		}
	}
}

// stopLoop hears of stop commands that any replica accepted. A lost notice is made up for by the next renewal.
func (s *Service) stopLoop(ctx context.Context) {
	for h := range s.Store.Stops(ctx, s.Owner) {
		s.stop(h)
	}
}

// reapLoop returns dead owners' conversations to ready, and has them claimed. After trouble with the store it waits for a lease: living
// owners could not renew meanwhile.
func (s *Service) reapLoop(ctx context.Context) {
	for {
		tenants := s.Directory.Tenants()
		if s.wait(ctx, sweep(max(s.Lease/4, 50*time.Millisecond), len(tenants))) {
			return
		}
		for _, tenant := range tenants {
			if ctx.Err() != nil || s.trouble.within(s.Lease) {
				break
			}
			shards := shardsOf(tenant)
			n, err := s.Store.Reap(ctx, shards)
			if err != nil {
				s.failed("reap", err)
			}
			if n > 0 {
				s.metrics.reaped.Add(float64(n))
				s.Log.Info("took over conversations of a dead owner", "tenant", tenant, "conversations", n)
				s.hints.add(shards...)
			}
		}
	}
}
