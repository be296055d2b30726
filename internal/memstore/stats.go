package memstore

import (
	"context"
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
			out.Ended += sh.ended
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
