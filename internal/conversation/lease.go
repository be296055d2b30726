package conversation

import (
	"context"
	"slices"
	"sync"
	"time"
)

// renewLoop keeps the leases of all shards in which something runs, in one pipeline a tick, and hears of stop commands.
func (s *Service) renewLoop(ctx context.Context) {
	surplus, missing := map[Shard]bool{}, map[Shard]bool{} // shards that showed more, or less, than runs here at the last renewal, too
	settling := make(chan struct{}, 1)                     // one at a time, beside the renewals
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
			s.failed("renew", err, unrenewed(shards, got))
			s.Log.Warn("renewing leases failed; what another replica takes meanwhile is fenced off", "err", err)
		}
		for _, sh := range got.Lost {
			s.lose(sh, got.LostFence[sh])
		}
		for _, h := range got.Stops {
			s.stop(h)
		}
		more := twice(got.Owns, surplus, func(sh Shard, n int) bool { return n > runs[sh] })
		less := twice(got.Owns, missing, func(sh Shard, n int) bool { return n < runs[sh] })
		if len(more)+len(less) == 0 {
			return
		}
		select {
		case settling <- struct{}{}:
			beside.Go(func() {
				defer func() { <-settling }()
				s.reconcile(ctx, more)
				s.drop(ctx, less)
			})
		default:
		}
	})
}

// twice lists the shards that differ as odd says, and did at the last renewal: once may be a claim or a step under way.
func twice(owns map[Shard]int, before map[Shard]bool, odd func(Shard, int) bool) (out []Shard) {
	for sh, n := range owns {
		switch is := odd(sh, n); {
		case is && before[sh]:
			out = append(out, sh)
			delete(before, sh)
		case is:
			before[sh] = true
		default:
			delete(before, sh)
		}
	}
	return out
}

// unrenewed are the shards of which a renewal said nothing.
func unrenewed(asked []Shard, got Renewed) []Shard {
	return slices.DeleteFunc(slices.Clone(asked), func(sh Shard) bool {
		_, owns := got.Owns[sh]
		return owns || slices.Contains(got.Lost, sh)
	})
}

// drop ends the turns that the store does not hold for this process any more: it was thought dead, and a claim has hidden that from the
// renewals.
func (s *Service) drop(ctx context.Context, shards []Shard) {
	for _, sh := range shards {
		all, err := s.Store.Owned(ctx, sh, s.Owner)
		if err != nil {
			s.failed("owned", err, []Shard{sh})
			return
		}
		holds := map[string]bool{}
		for _, h := range all {
			holds[h.Handle] = true
		}
		s.mu.Lock()
		for h, r := range s.running {
			if h.shard == sh && !holds[h.handle] {
				r.lose(errLost)
				s.metrics.lost.Inc()
			}
		}
		s.mu.Unlock()
	}
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
	s.directs.suspend(tenant)
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
	for h := range s.Store.Stops(ctx, s.Owner, s.Directory.Tenants) {
		s.stop(h)
	}
}

// reapLoop returns dead owners' conversations to ready, and has them claimed. Where the store failed, and everywhere when this process
// stood still itself, it waits for a lease first: living owners could not renew meanwhile.
func (s *Service) reapLoop(ctx context.Context) {
	for {
		tenants := s.Directory.Tenants()
		period := sweep(max(s.Lease/4, 50*time.Millisecond), len(tenants))
		began := time.Now()
		if s.wait(ctx, period) {
			return
		}
		if time.Since(began) > period+s.Lease/2 {
			s.trouble.noteAll()
		}
		for _, tenant := range tenants {
			shards := s.trouble.quiet(shardsOf(tenant), s.Lease)
			if len(shards) == 0 || ctx.Err() != nil {
				continue
			}
			n, err := s.Store.Reap(ctx, shards)
			if err != nil {
				s.failed("reap", err, shards)
			} else if len(shards) == Shards {
				s.inherit(ctx, tenant)
			}
			if n > 0 {
				s.metrics.reaped.Add(float64(n))
				s.Log.Info("took over conversations of a dead owner", "tenant", tenant, "conversations", n)
				s.hints.add(shards...)
			}
		}
	}
}
