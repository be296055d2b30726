package conversation

import (
	"context"
	"maps"
	"slices"
	"time"

	"parley/internal/chat"
)

// claimBatch bounds what one claim takes of one shard: its answer holds whole histories.
const claimBatch = 64

// hintLoop claims at once where something became ready here. When places are scarce it leaves all to the sweep, which is fair.
func (s *Service) hintLoop(ctx, work context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hints.wake:
		}
		shards := s.hints.take()
		if _, scarce := s.room.left(); scarce {
			continue
		}
		for _, shards := range byTenant(shards) {
			s.claimAt(ctx, work, shards[0].Tenant, shards, len(shards)*claimBatch)
		}
	}
}

// pollLoop claims everywhere, for what no hint named: other replicas' leavings, and what waited for a place. Tenants come in a new order
// each time, and when places are scarce none takes more than its share.
func (s *Service) pollLoop(ctx, work context.Context) {
	for {
		tenants := s.Directory.Tenants()
		s.room.share(len(tenants) > 1)
		if s.wait(ctx, sweep(s.Poll, len(tenants))) {
			return
		}
		s.dice.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
		for i, tenant := range tenants {
			share := Shards * claimBatch
			if left, scarce := s.room.left(); scarce {
				share = max(1, left/(len(tenants)-i))
			}
			s.claimAt(ctx, work, tenant, shardsOf(tenant), share)
		}
	}
}

// wait blocks for d and reports whether ctx ended meanwhile.
func (s *Service) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}

// byTenant groups shards by tenant, in the order in which the tenants come.
func byTenant(shards []Shard) (groups [][]Shard) {
	at := map[string]int{}
	for _, sh := range shards {
		i, known := at[sh.Tenant]
		if !known {
			i = len(groups)
			at[sh.Tenant], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], sh)
	}
	return groups
}

func shardsOf(tenant string) []Shard {
	out := make([]Shard, Shards)
	for i := range out {
		out[i] = Shard{Tenant: tenant, Index: i}
	}
	return out
}

// claimAt claims until a tenant's shards have nothing ready, it has taken its share, the tenant has no seats, or this process has no room.
func (s *Service) claimAt(ctx, work context.Context, tenant string, shards []Shard, share int) {
	t, ok := s.Directory.Tenant(tenant)
	if !ok {
		return // its document is gone: its messages wait for a process that knows the tenant
	}
	s.dice.Shuffle(len(shards), func(i, j int) { shards[i], shards[j] = shards[j], shards[i] }) // little room is shared fairly
	for len(shards) > 0 && share > 0 && ctx.Err() == nil {
		room := s.room.take(tenant, min(len(shards)*claimBatch, share))
		if room == 0 {
			break // the next sweep comes back
		}
		var seats int
		if shards, seats = s.sit(ctx, t, shards, room); seats == 0 {
			s.room.claimed(room, 0)
			break // so it does, or whoever rises
		}
		now := shards[:min(seats, len(shards))]
		shards = shards[len(now):]
		most := seats / len(now)
		claims, err := s.claim(ctx, work, now, most, s.claimOptions(t))
		s.room.claimed(room, len(claims))
		s.holdings.claimed(tenant, seats, len(claims))
		share -= len(claims)
		if err != nil {
			s.failed("claim", err, now)
			again, cancel := linger(ctx, claimLinger)
			s.reconcile(again, failedShards(err, now))
			cancel()
			return
		}
		if s.holdings.short(tenant) {
			break
		}
		shards = append(shards, full(claims, most)...)
	}
	if s.holdings.idle(tenant) {
		s.seek(ctx, tenant, 0, false) // others may lack them
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
	return ClaimOptions{Lease: s.Lease, HistoryTurns: t.History.Turns}
}

// replyOptions are claimOptions for the steps that intend to send a part.
func (s *Service) replyOptions(t *chat.Tenant, outlet Outlet) ClaimOptions {
	opt := s.claimOptions(t)
	opt.Pace = outlet.Pace()
	return opt
}

// claimLinger is how long a shutdown lets a claim end that is under way: broken off, it may be carried out all the same, and what it took
// would wait for the end of a lease.
const claimLinger = time.Second

func (s *Service) claim(ctx, work context.Context, shards []Shard, most int, opt ClaimOptions) ([]Claim, error) {
	defer s.underWay()()
	ctx, cancel := linger(ctx, claimLinger)
	defer cancel()
	began := time.Now()
	claims, err := s.Store.Claim(ctx, shards, s.Owner, most, opt)
	err = s.unreadable(err)
	s.metrics.step("claim", began)
	claims = s.confirm(ctx, shards[0].Tenant, claims)
	for _, c := range claims {
		s.start(work, &c)
	}
	return claims, err
}

// underWay notes a claim; it has ended when what it got is in running.
func (s *Service) underWay() (end func()) {
	ch := make(chan struct{})
	s.mu.Lock()
	s.claiming[ch] = struct{}{}
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		delete(s.claiming, ch)
		s.mu.Unlock()
		close(ch)
	}
}

// claimed waits until the claims that are under way have ended. No lock is held meanwhile: a store that does not answer holds nobody else up.
func (s *Service) claimed() {
	s.mu.Lock()
	under := slices.Collect(maps.Keys(s.claiming))
	s.mu.Unlock()
	for _, ch := range under {
		<-ch
	}
}

// failed counts a step of the store that failed. Data that cannot be read is no trouble with the store.
func (s *Service) failed(step string, err error, shards []Shard) {
	if k := chat.KindOf(err); k == chat.Unavailable || k == chat.Timeout {
		s.trouble.note(failedShards(err, shards))
	}
	s.metrics.storeErrors.WithLabelValues(step).Inc()
}

// reconcile releases what the store says this process owns and it does not know of: the answer of a step was lost, or a claim that had
// timed out here was carried out later. The next sweep claims it again.
func (s *Service) reconcile(ctx context.Context, shards []Shard) {
	released := 0
	for _, sh := range shards {
		unknown, err := s.unknown(ctx, sh)
		if err != nil {
			s.failed("owned", err, []Shard{sh})
			break // the next renewal sees the difference again
		}
		for _, h := range unknown {
			s.release(ctx, &Claim{Shard: h.Shard, Owner: s.Owner, Handle: h.Handle, Fence: h.Fence})
			released++
		}
	}
	if released > 0 {
		s.Log.Warn("gave conversations back that the store held for this process and it did not work on", "conversations", released)
	}
}

// unknown lists what the store holds for this process in a shard and nothing here works on. A claim whose work the list shows was under way
// when it was asked for: it is waited for. A turn that ended meanwhile has an old fence: to release it changes nothing.
func (s *Service) unknown(ctx context.Context, sh Shard) ([]Held, error) {
	all, err := s.Store.Owned(ctx, sh, s.Owner)
	if err != nil {
		return nil, err
	}
	s.claimed()
	var out []Held
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range all {
		r := s.running[held{h.Shard, h.Handle}]
		if r != nil && r.fence < h.Fence {
			r.lose(errLost) // what it works on was another's since, or is done
			r = nil
		}
		if r == nil {
			out = append(out, h)
		}
	}
	return out, nil
}
