package redisstore

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Intend implements conversation.Store.
func (s *Store) Intend(ctx context.Context, c conversation.Claim, pace chat.Pace) (conversation.Next, error) {
	const op = "intend"
	v, err := s.run(ctx, op, s.scripts.intend, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence, pace.Burst, millis(max(pace.Every, 0)))
	return s.next(ctx, op, c, conversation.ClaimOptions{}, v, err)
}

// Postpone implements conversation.Store.
func (s *Store) Postpone(ctx context.Context, c conversation.Claim, p conversation.Postponement) error {
	const op = "postpone"
	maybe := 0
	if p.Maybe {
		maybe = 1
	}
	v, err := s.run(ctx, op, s.scripts.postpone, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence, millis(max(p.For, 0)), maybe, p.Tries)
	if err == nil && number(v) < 0 {
		return invalid(op, errOrder)
	}
	return err
}

// GiveUp implements conversation.Store.
func (s *Store) GiveUp(
	ctx context.Context, c conversation.Claim, reason string, keep time.Duration, opt conversation.ClaimOptions,
) (conversation.Next, error) {
	const op = "give_up"
	v, err := s.run(ctx, op, s.scripts.giveUp, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence,
		strconv.QuoteToASCII(reason), millis(cmp.Or(max(keep, 0), deadFor)))
	return s.next(ctx, op, c, opt, v, err)
}
