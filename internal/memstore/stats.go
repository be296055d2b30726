package memstore

import (
	"context"
	"slices"
	"time"

	"parley/internal/conversation"
)

// Stats implements conversation.Store.
func (s *Store) Stats(ctx context.Context, tenant string) (conversation.Stats, error) {
	var out conversation.Stats
	for i := range conversation.Shards {
		err := s.with(ctx, "stats", conversation.Shard{Tenant: tenant, Index: i}, func(sh *shard, now time.Time) error {
			sh.forgetDead(now)
			ready := sh.ready(now)
			out.Waiting += sh.waiting
			out.Running += sh.running()
			out.Ready += len(ready)
			out.Postponed += sh.idle() - len(ready)
			out.Dead += len(sh.dead)
			if len(ready) > 0 {
				out.Oldest = max(out.Oldest, now.Sub(ready[0].from()))
			}
			return nil
		})
		if err != nil {
			return conversation.Stats{}, err
		}
	}
	return out, nil
}

// idle counts the conversations with something to do that nobody does, postponed ones included.
func (sh *shard) idle() (n int) {
	for _, c := range sh.convs {
		if c.isIdle() {
			n++
		}
	}
	return n
}

// DeadLetters lists a tenant's dead letters that are still kept, oldest first, at most max of them.
func (s *Store) DeadLetters(ctx context.Context, tenant string, most int) ([]conversation.DeadLetter, error) {
	var out []conversation.DeadLetter
	for i := range conversation.Shards {
		err := s.with(ctx, "dead_letters", conversation.Shard{Tenant: tenant, Index: i}, func(sh *shard, now time.Time) error {
			sh.forgetDead(now)
			for _, d := range sh.dead {
				out = append(out, d.value)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b conversation.DeadLetter) int { return a.At.Compare(b.At) })
	return out[:min(len(out), most)], nil
}
