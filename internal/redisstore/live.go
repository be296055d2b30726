package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// liveFor is how long a read keeps the live text's key alive; without the key nothing is written.
const liveFor = 10 * time.Second

type live struct {
	format
	chat.Live
}

func liveKey(key chat.ConversationKey) string {
	return prefix(conversation.ShardOf(key)) + "l:" + handle(key)
}

// ReadLive implements channel.LiveReader.
func (s *Store) ReadLive(ctx context.Context, key chat.ConversationKey) (chat.Live, bool, error) {
	const op = "read_live"
	v, err := s.run(ctx, op, s.scripts.liveRead, liveKey(key), millis(liveFor))
	if err != nil || text(v) == "" {
		return chat.Live{}, false, err
	}
	var l live
	if err := decode(text(v), &l); err != nil {
		return chat.Live{}, false, failure(op, err)
	}
	return l.Live, true, nil
}

// Write implements conversation.LiveWriter.
func (s *Store) Write(ctx context.Context, key chat.ConversationKey, l chat.Live) (bool, error) {
	const op = "write_live"
	doc, err := json.Marshal(live{current(), conversation.BoundLive(l)})
	if err != nil {
		return false, invalid(op, err)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err = s.rdb.SetArgs(ctx, liveKey(key), doc, redis.SetArgs{Mode: "XX", KeepTTL: true}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, failure(op, err)
}
