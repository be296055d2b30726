package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// opHistory is the step that reads histories.
const opHistory = "history"

// recall reads what was said before in conversations that were just claimed, in one round trip, and tells of each what hindered it: errLater, or
// an error of Redis. A claim does not bring it along: scripts are slow with it (see view in common.lua).
func (s *Store) recall(ctx context.Context, claims []conversation.Claim, turns int) []error {
	errs := make([]error, len(claims))
	if turns <= 0 || len(claims) == 0 {
		return errs
	}
	asks := make([]*ask, len(claims))
	for i, c := range claims {
		key := prefix(c.Shard) + "h:" + c.Handle
		asks[i] = &ask{key: key, cmd: redis.NewStringSliceCmd(ctx, "lrange", key, -turns, -1)}
	}
	s.send(ctx, opHistory, asks...)
	for i, a := range asks {
		if errs[i] = failure(opHistory, a.err); a.err == nil {
			errs[i] = remember(&claims[i], a.cmd.(*redis.StringSliceCmd).Val())
		}
	}
	return errs
}

// remember puts a history's entries into a claim. What is damaged is as if it had been forgotten.
func remember(c *conversation.Claim, entries []string) error {
	if len(entries) > 0 {
		c.History = make([]chat.Turn, 0, len(entries))
	}
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
