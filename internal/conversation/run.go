package conversation

import (
	"context"
	"sync"
	"time"
)

// Run works on conversations until ctx ends; then it claims nothing more, hands over at once what waits for a place, lets running turns go on
// for Grace, hands the rest over, and returns. It keeps this process's leases alive until the last turn is gone.
func (s *Service) Run(ctx context.Context) error {
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx)) // turns outlive ctx by Grace
	defer stopWork(nil)
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	var loops sync.WaitGroup
	loops.Go(func() { s.renewLoop(keep) })
	loops.Go(func() { s.stopLoop(keep) })
	loops.Go(func() { s.seatLoop(keep) })
	var claiming sync.WaitGroup
	claiming.Go(func() { s.hintLoop(ctx, work) })
	claiming.Go(func() { s.pollLoop(ctx, work) })
	claiming.Go(func() { s.reapLoop(ctx) })
	claiming.Go(func() { s.statsLoop(ctx) })

	<-ctx.Done()
	s.leave()
	claiming.Wait()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(s.Grace):
		s.Log.Info("the grace is over: what still runs is handed over", "conversations", s.Running(), "grace", s.Grace)
		stopWork(errHandover)
		over := time.AfterFunc(handoverFor, func() { close(s.over) })
		<-done
		over.Stop()
	}
	stopKeeping()
	loops.Wait()
	s.vacate(context.WithoutCancel(ctx))
	return nil
}

// Running is the number of conversations that this process owns now.
func (s *Service) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// start works on a claimed conversation in a goroutine of its own until it is released. It takes over one reserved place and seat. Claims are
// passed by pointer from here on: a copy in every frame made the stack of each waiting turn twice as large.
func (s *Service) start(work context.Context, c *Claim) {
	h := held{c.Shard, c.Handle}
	r := &running{fence: c.Fence, lose: func(error) {}, stop: func(error) {}}
	s.mu.Lock()
	if old := s.running[h]; old != nil {
		old.lose(errLost) // this process was thought dead, and claims what it was working on
	}
	s.running[h] = r
	s.mu.Unlock()
	s.metrics.inFlight.Inc()
	s.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			if s.running[h] == r {
				delete(s.running, h)
			}
			s.mu.Unlock()
			s.metrics.inFlight.Dec()
			s.room.free()
			s.rise(h.shard.Tenant)
		}()
		s.work(work, r, c)
	})
}

// sweep is how long a loop over all tenants waits before the next: with very many tenants, longer.
func sweep(period time.Duration, tenants int) time.Duration {
	return max(period, time.Duration(tenants)*2*time.Millisecond)
}

// every calls f once per period until ctx ends.
func every(ctx context.Context, period time.Duration, f func()) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}
