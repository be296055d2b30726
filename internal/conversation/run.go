package conversation

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/internal/chat"
)

// claimBatch bounds one claim: its answer holds whole histories.
const claimBatch = 64

// Run works on conversations until ctx ends; then it claims nothing more, lets running turns go on for Grace, hands the rest over, and
// returns. It keeps this process's leases alive until the last turn is gone.
func (s *Service) Run(ctx context.Context) error {
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx)) // turns outlive ctx by Grace
	defer stopWork(nil)
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	var loops sync.WaitGroup
	loops.Go(func() { s.renewLoop(keep) })
	loops.Go(func() { s.stopLoop(keep) })
	var claiming sync.WaitGroup
	claiming.Go(func() { s.claimLoop(ctx, work) })
	claiming.Go(func() { s.reapLoop(ctx) })
	claiming.Go(func() { s.statsLoop(ctx) })

	<-ctx.Done()
	claiming.Wait()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(s.Grace):
		stopWork(errHandover)
		<-done
	}
	stopKeeping()
	loops.Wait()
	return nil
}

// shards lists every shard of every tenant that this process serves.
func (s *Service) shards() []Shard {
	var out []Shard
	for _, t := range s.Directory.Tenants() {
		for i := range Shards {
			out = append(out, Shard{Tenant: t, Index: i})
		}
	}
	return out
}

// claimLoop claims where a hint says so at once, and everywhere at each poll, for what other replicas left ready.
func (s *Service) claimLoop(ctx, work context.Context) {
	poll := time.NewTicker(s.Poll)
	defer poll.Stop()
	for {
		var targets []Shard
		select {
		case <-ctx.Done():
			return
		case <-s.hints.wake:
			targets = s.hints.take()
		case <-poll.C:
			targets = s.shards()
		}
		s.eachShard(ctx, targets, func(sh Shard) { s.claimShard(ctx, work, sh) })
	}
}

// eachShard calls f for all targets, a few at once so that their round trips share the wire.
func (s *Service) eachShard(ctx context.Context, targets []Shard, f func(Shard)) {
	const width = Shards
	var wg sync.WaitGroup
	sem := make(chan struct{}, width)
	for _, sh := range targets {
		if ctx.Err() != nil {
			break
		}
		sem <- struct{}{}
		wg.Go(func() { defer func() { <-sem }(); f(sh) })
	}
	wg.Wait()
}

// claimShard claims until the shard has nothing ready or this process has no room.
func (s *Service) claimShard(ctx, work context.Context, sh Shard) {
	t, ok := s.Directory.Tenant(sh.Tenant)
	if !ok {
		return // its document is gone: its messages wait for a process that knows the tenant
	}
	for ctx.Err() == nil {
		room := s.reserve(claimBatch)
		if room == 0 {
			return // Poll comes back
		}
		got, err := s.claimOnce(ctx, work, sh, room, s.claimOptions(t))
		s.unreserve(room - got)
		if err != nil {
			s.metrics.storeErrors.WithLabelValues("claim").Inc()
			s.reconcile(ctx, sh)
			return
		}
		if got < room {
			return
		}
	}
}

func (s *Service) claimOptions(t *chat.Tenant) ClaimOptions {
	return ClaimOptions{Lease: s.Lease, InFlight: t.Limits.TurnsInFlight, HistoryTurns: t.History.Turns}
}

func (s *Service) claimOnce(ctx, work context.Context, sh Shard, room int, opt ClaimOptions) (int, error) {
	s.claims[sh.Index].Lock()
	defer s.claims[sh.Index].Unlock()
	began := time.Now()
	claims, err := s.Store.Claim(ctx, sh, s.Owner, room, opt)
	s.metrics.step("claim", began)
	for _, c := range claims {
		s.start(work, c)
	}
	return len(claims), err
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

// start works on a claimed conversation in a goroutine of its own until it is released. It takes over one reserved slot.
func (s *Service) start(work context.Context, c Claim) {
	r := &running{shard: c.Shard, fence: c.Fence, cancel: func(error) {}}
	s.mu.Lock()
	s.running[c.Handle] = r
	s.mu.Unlock()
	s.metrics.inFlight.Inc()
	s.wg.Go(func() {
		defer func() {
			s.mu.Lock()
			if s.running[c.Handle] == r {
				delete(s.running, c.Handle)
			}
			s.mu.Unlock()
			s.metrics.inFlight.Dec()
			<-s.slots
		}()
		s.work(work, r, c)
	})
}

// renewLoop keeps the leases of all shards in which something runs, in one pipeline a tick.
func (s *Service) renewLoop(ctx context.Context) {
	tick := time.NewTicker(s.Lease / 4)
	defer tick.Stop()
	lastOK := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		shards := s.owned()
		if len(shards) == 0 {
			lastOK = time.Now()
			continue
		}
		began := time.Now()
		got, err := s.Store.Renew(ctx, s.Owner, shards, s.Lease)
		s.metrics.step("renew", began)
		if err != nil {
			s.metrics.storeErrors.WithLabelValues("renew").Inc()
			s.Log.Warn("renewing leases failed", "err", err, "since", time.Since(lastOK).Round(time.Millisecond))
			continue // the fence protects what another replica may take meanwhile
		}
		lastOK = time.Now()
		for _, sh := range got.Lost {
			s.lose(sh)
		}
		for _, h := range got.Stops {
			s.stop(h)
		}
	}
}

// owned lists the shards in which this process runs something.
func (s *Service) owned() []Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := map[Shard]struct{}{}
	for _, r := range s.running {
		set[r.shard] = struct{}{}
	}
	out := make([]Shard, 0, len(set))
	for sh := range set {
		out = append(out, sh)
	}
	return out
}

func (s *Service) lose(sh Shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.running {
		if r.shard == sh {
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

// stopLoop hears of stop commands that any replica accepted. A lost notice is made up for by the next renew.
func (s *Service) stopLoop(ctx context.Context) {
	for h := range s.Store.Stops(ctx, s.Owner) {
		s.stop(h)
	}
}

// reapLoop returns dead owners' conversations to ready and claims them.
func (s *Service) reapLoop(ctx context.Context) {
	tick := time.NewTicker(max(s.Lease/4, 50*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.eachShard(ctx, s.shards(), func(sh Shard) {
			n, err := s.Store.Reap(ctx, sh)
			if err != nil {
				s.metrics.storeErrors.WithLabelValues("reap").Inc()
				return
			}
			if n > 0 {
				s.metrics.reaped.Add(float64(n))
				s.Log.Info("took over conversations of a dead owner", "tenant", sh.Tenant, "shard", sh.Index, "conversations", n)
				s.hints.add(sh)
			}
		})
	}
}

// reconcile releases what the store says this process owns and it does not know of: the answer of a step was lost.
func (s *Service) reconcile(ctx context.Context, sh Shard) {
	s.claims[sh.Index].Lock()
	defer s.claims[sh.Index].Unlock()
	held, err := s.Store.Owned(ctx, sh, s.Owner)
	if err != nil {
		return // the next failure or claim comes back here
	}
	for _, h := range held {
		s.mu.Lock()
		_, known := s.running[h.Handle]
		s.mu.Unlock()
		if known {
			continue
		}
		err := s.Store.Release(ctx, Claim{Shard: h.Shard, Owner: s.Owner, Handle: h.Handle, Fence: h.Fence})
		if err != nil && !errors.Is(err, ErrFenced) {
			return
		}
		s.hints.add(sh)
	}
}

// Running is the number of conversations that this process owns now.
func (s *Service) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}
