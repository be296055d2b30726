package memstore

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// markFor is how long it is known that a claim's spending was counted.
const markFor = 24 * time.Hour

// spend counts what a claim spent, once for each fence.
func (sh *shard) spend(fence int64, user string, spent []chat.Spend, now time.Time) {
	items := conversation.Itemize(spent)
	if len(items) == 0 || now.Before(sh.counted[fence]) {
		return
	}
	sh.counted[fence] = now.Add(markFor)
	day := conversation.DayOf(now)
	if sh.usage[day] == nil {
		sh.usage[day] = map[conversation.Spender]conversation.Tokens{}
	}
	for i, t := range items {
		who := conversation.Spender{User: user, Item: i}
		sh.usage[day][who] = sh.usage[day][who].Plus(t)
	}
}

// sweepUsage forgets days and marks that have run out.
func (sh *shard) sweepUsage(now time.Time) {
	for fence, until := range sh.counted {
		if !now.Before(until) {
			delete(sh.counted, fence)
		}
	}
	for d := range sh.usage {
		if forgotten(d, now) {
			delete(sh.usage, d)
		}
	}
}

func forgotten(d conversation.Day, now time.Time) bool {
	return !now.Before(d.Ends().Add(conversation.KeepUsage))
}

// Spend implements conversation.Ledger.
func (s *Store) Spend(ctx context.Context, c conversation.Claim, user string, spent []chat.Spend) error {
	return s.with(ctx, "spend", c.Shard, func(sh *shard, now time.Time) error {
		sh.spend(c.Fence, user, spent, now)
		return nil
	})
}

// Usage implements conversation.Ledger.
func (s *Store) Usage(ctx context.Context, tenant string, d conversation.Day) (conversation.Usage, error) {
	all := map[conversation.Spender]conversation.Tokens{}
	for i := range conversation.Shards {
		err := s.with(ctx, "usage", conversation.Shard{Tenant: tenant, Index: i}, func(sh *shard, now time.Time) error {
			if forgotten(d, now) {
				return nil
			}
			for who, t := range sh.usage[d] {
				all[who] = all[who].Plus(t)
			}
			return nil
		})
		if err != nil {
			return conversation.Usage{}, err
		}
	}
	return conversation.SumUp(all), nil
}
