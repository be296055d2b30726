package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"parley/internal/conversation"
)

// Stats implements conversation.Store. With an error, the figures are of the shards that did not fail.
func (s *Store) Stats(ctx context.Context, tenant string) (conversation.Stats, error) {
	const op = "stats"
	v, err := s.each(ctx, op, s.scripts.stats, prefixes(allShards(tenant)), nil)
	var out conversation.Stats
	for _, r := range v {
		row := list(r)
		if len(row) != 7 {
			err = cmp.Or(err, failure(op, fmt.Errorf("%d fields", len(row))))
			continue
		}
		out.Waiting += int(number(row[0]))
		out.Running += int(number(row[1]))
		out.Ready += int(number(row[2]))
		out.Oldest = max(out.Oldest, time.Duration(number(row[3]))*time.Millisecond)
		out.Dead += int(number(row[4]))
		out.Ended += int(number(row[5]))
		out.Postponed += int(number(row[6]))
	}
	return out, err
}

func allShards(tenant string) []conversation.Shard {
	out := make([]conversation.Shard, conversation.Shards)
	for i := range out {
		out[i] = conversation.Shard{Tenant: tenant, Index: i}
	}
	return out
}
