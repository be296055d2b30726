package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"parley/internal/conversation"
)

// recall reads what was said before in conversations that were just claimed, in one round trip, and tells of each what hindered it: errLater, or
// an error of Redis. A claim does not bring it along: scripts are slow with it (see view in common.lua).
func (s *Store) recall(ctx context.Context, claims []conversation.Claim, turns int) []error {
	errs := make([]error, len(claims))
	if turns <= 0 || len(claims) == 0 {
		return errs
	}
	const op = "history"
	fail := func(err error) []error {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	done, err := s.turnStep(ctx, op)
	if err != nil {
		return fail(err)
	}
	defer done()
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pipe := s.rdb.Pipeline()
	entries := make([]*redis.StringSliceCmd, len(claims))
	for i, c := range claims {
		entries[i] = pipe.LRange(ctx, prefix(c.Shard)+"h:"+c.Handle, -int64(turns), -1)
	}
	runAll(ctx, pipe)
	for i := range claims {
		if err := entries[i].Err(); err != nil {
			errs[i] = failure(op, err)
			continue
		}
		errs[i] = remember(&claims[i], entries[i].Val())
	}
	return errs
}

// remember puts a history's entries into a claim. What is damaged is as if it had been forgotten.
func remember(c *conversation.Claim, entries []string) error {
	for _, e := range entries {
		t, err := decodeTurn(e)
		switch {
		case err == nil:
			c.History = append(c.History, t)
		case errors.Is(err, errLater):
			return err
		}
	}
	return nil
}
