package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// merge asks the caller whether a message and the last of its mailbox are to be one. The step that stores it does so only if that is the last still:
// an entry never changes under its seq. seq 0: they are not to be one.
func (s *Store) merge(ctx context.Context, m chat.Message, opt conversation.AcceptOptions) (seq int64, body []byte, err error) {
	const op = "accept"
	if opt.Merge == nil {
		return 0, nil, nil
	}
	mailbox := prefix(conversation.ShardOf(m.Conversation)) + "m:" + handle(m.Conversation)
	pipe := s.rdb.Pipeline()
	count, tail := pipe.LLen(ctx, mailbox), pipe.LIndex(ctx, mailbox, -1)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, nil, failure(op, err)
	}
	if count.Val() < 2 {
		return 0, nil, nil
	}
	last, err := decodeWaiting(tail.Val())
	if err != nil {
		return 0, nil, nil //nolint:nilerr // whoever claims it says so; this message stands for itself
	}
	merged, ok := opt.Merge(last)
	if !ok {
		return 0, nil, nil
	}
	if body, err = encodeMessage(merged); err != nil {
		return 0, nil, invalid(op, fmt.Errorf("the merged message cannot be stored: %w", err))
	}
	return last.Seq, body, nil
}
