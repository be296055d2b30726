package redisstore

import (
	"context"

	"parley/internal/chat"
)

// turnStep waits until few enough steps of turns ask Redis at once: half of its connections. The rest is for what cannot wait: taking messages in,
// and keeping leases. When Redis is slower than what is asked of it, turns wait, in order, instead of timing out with everything else, each
// of them at the price of a connection. Time spent here is not the call's.
func (s *Store) turnStep(ctx context.Context, op string) (done func(), err error) {
	switch op {
	case "claim", "history", "commit", "delivered", "intend", "postpone", "give_up", "release", "reserve", "settle", "spend":
	default:
		return func() {}, nil
	}
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	case <-ctx.Done():
		return nil, chat.E(chat.KindOf(ctx.Err()), "redis."+op, ctx.Err())
	}
}
