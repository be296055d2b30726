package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"parley/internal/conversation"
)

// stirring are the shards in which one of these keys exists, or (count) messages are counted as waiting: the rest need no script. Every process looks
// at each of its tenants' shards several times a second, and most are at rest. Those that cannot be asked are among them: the step says why.
func (s *Store) stirring(ctx context.Context, op string, shards []conversation.Shard, count bool, keys ...string) (out []conversation.Shard) {
	asks := make([]*ask, 0, 2*len(shards))
	for _, p := range prefixes(shards) {
		args := []any{"exists"}
		for _, k := range keys {
			args = append(args, p+k)
		}
		asks = append(asks, &ask{key: p, cmd: redis.NewIntCmd(ctx, args...)})
	}
	if count {
		for _, p := range prefixes(shards) {
			asks = append(asks, &ask{key: p, cmd: redis.NewStringCmd(ctx, "hget", p+"n", "waiting")})
		}
	}
	s.send(ctx, op, asks...)
	for i, sh := range shards {
		a := asks[i]
		if a.err != nil || a.cmd.(*redis.IntCmd).Val() > 0 || count && counted(asks[len(shards)+i]) {
			out = append(out, sh)
		}
	}
	return out
}

// counted says that a count is not 0, or not known. What is not there is none.
func counted(a *ask) bool {
	if a.err != nil {
		return a.err != redis.Nil //nolint:errorlint // go-redis's own, as it is
	}
	return number(a.cmd.(*redis.StringCmd).Val()) != 0
}
