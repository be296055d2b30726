package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Skew is how far this machine's clock is ahead of Redis's, within half of the time that the question takes; in a cluster, of the master's that
// is farthest away.
func (s *Store) Skew(ctx context.Context) (time.Duration, error) {
	var most time.Duration
	err := s.masters(ctx, "time", func(ctx context.Context, node redis.Cmdable) (func(), error) {
		asked := time.Now()
		theirs, err := node.Time(ctx).Result()
		ours := asked.Add(time.Since(asked) / 2)
		return func() {
			if d := ours.Sub(theirs); d.Abs() > most.Abs() {
				most = d
			}
		}, err
	})
	return most, err
}
