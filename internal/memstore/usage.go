package memstore

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// usage is what was spent in a shard in a day.
type usage struct {
	items map[conversation.Item]conversation.Tokens
	users map[string]conversation.UserUsage
}

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
	u := sh.usage[day]
	if u == nil {
		u = &usage{map[conversation.Item]conversation.Tokens{}, map[string]conversation.UserUsage{}}
		sh.usage[day] = u
	}
	who := u.users[user]
	for i, t := range items {
		u.items[i] = u.items[i].Plus(t)
		if i.Estimated {
			who.Estimated = who.Estimated.Plus(t)
		} else {
			who.Reported = who.Reported.Plus(t)
		}
	}
	u.users[user] = who
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
	items, users := map[conversation.Item]conversation.Tokens{}, map[string]conversation.UserUsage{}
	for i := range conversation.Shards {
		err := s.with(ctx, "usage", conversation.Shard{Tenant: tenant, Index: i}, func(sh *shard, now time.Time) error {
			u := sh.usage[d]
			if u == nil || forgotten(d, now) {
				return nil
			}
			for i, t := range u.items {
				items[i] = items[i].Plus(t)
			}
			for user, t := range u.users {
				sum := users[user]
				users[user] = conversation.UserUsage{User: user, Reported: sum.Reported.Plus(t.Reported), Estimated: sum.Estimated.Plus(t.Estimated)}
			}
			return nil
		})
		if err != nil {
			return conversation.Usage{}, err
		}
	}
	var out conversation.Usage
	for i, t := range items {
		out.Items = append(out.Items, conversation.ItemUsage{Item: i, Tokens: t})
	}
	for _, u := range users {
		out.Users = append(out.Users, u)
	}
	out.Sort()
	return out, nil
}
