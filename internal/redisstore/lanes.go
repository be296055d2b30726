package redisstore

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// trips is how many round trips of each kind are under way at once to a node: so few that calls gather, and enough that one that brings whole histories,
// or hangs, does not hold up all others.
const trips = 4

// lanes are the ways to one node: steps of turns have one of their own. When Redis is slower than what is asked of it, they wait there, in order,
// instead of timing out with what cannot wait: taking messages in, and keeping leases. Histories do not stand in that line a second time: what was
// just claimed is held under a lease that nobody renews before its turn begins, and whoever loses it so three times is a dead letter.
type lanes struct{ turns, histories, others *gather }

// of is the way of a step.
func (l *lanes) of(op string) *gather {
	switch {
	case op == opHistory:
		return l.histories
	case isTurnStep(op):
		return l.turns
	}
	return l.others
}

// lanes are those to a node of a cluster, or, without an address, to Redis.
func (s *Store) lanes(addr string) *lanes {
	l, ok := s.nodes.Load(addr)
	if !ok {
		way := func() *gather { return &gather{rdb: s.rdb, timeout: s.timeout, free: trips} }
		l, _ = s.nodes.LoadOrStore(addr, &lanes{turns: way(), histories: way(), others: way()})
	}
	return l.(*lanes)
}

// isTurnStep says which steps wait for each other. Time spent so is not the call's.
func isTurnStep(op string) bool {
	switch op {
	case "claim", opHistory, "commit", "delivered", "intend", "postpone", "give_up", "release", "reserve", "settle", "spend":
		return true
	}
	return false
}

// ask is a command, and the key that says which node it is for.
type ask struct {
	key string
	cmd redis.Cmder
	err error // what hindered it, once it was sent; with one, cmd is not to be looked at
}

// send carries out commands, in order if they are for one node.
func (s *Store) send(ctx context.Context, op string, asks ...*ask) {
	if !isTurnStep(op) {
		var cancel context.CancelFunc
		ctx, cancel = s.bound(ctx)
		defer cancel()
	}
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		s.sendTo(ctx, op, "", asks)
		return
	}
	nodes := map[string][]*ask{}
	find, found := s.bound(ctx) // a cluster that nobody has reached yet is asked for at each of its addresses, for each key
	for _, a := range asks {
		addr := "" // nobody knows: go-redis finds out
		if n, err := cluster.MasterForKey(find, a.key); err == nil {
			addr = n.Options().Addr
		}
		nodes[addr] = append(nodes[addr], a)
	}
	found()
	var wg sync.WaitGroup
	for addr, asks := range nodes {
		wg.Go(func() { s.sendTo(ctx, op, addr, asks) })
	}
	wg.Wait()
}

// sendTo is send to one node.
func (s *Store) sendTo(ctx context.Context, op, addr string, asks []*ask) {
	cmds := make([]redis.Cmder, len(asks))
	for i, a := range asks {
		cmds[i] = a.cmd
	}
	err := s.lanes(addr).of(op).do(ctx, cmds)
	for _, a := range asks {
		if a.err = err; err == nil {
			a.err = a.cmd.Err()
		}
	}
}
