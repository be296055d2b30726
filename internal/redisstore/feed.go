package redisstore

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
)

// feedMax is about how many entries a feed keeps.
const feedMax = 200

var feedID = regexp.MustCompile(`^\d{1,20}-\d{1,20}$`)

func feedKey(key chat.ConversationKey) string {
	return prefix(conversation.ShardOf(key)) + "f:" + handle(key)
}

// Append implements channel.Feed.
func (s *Store) Append(ctx context.Context, key chat.ConversationKey, id string, payload []byte, ttl time.Duration) error {
	const op = "feed_append"
	if !feedID.MatchString(id) || id == "0-0" {
		return invalid(op, fmt.Errorf("feed id %.40q is not <number>-<number> above 0-0", id))
	}
	if ttl <= 0 {
		return invalid(op, errTTL)
	}
	_, err := s.run(ctx, op, s.scripts.feedAppend, feedKey(key), id, payload, millis(ttl), feedMax)
	return err
}

// Read implements channel.Feed.
func (s *Store) Read(ctx context.Context, key chat.ConversationKey, after string) ([]channel.FeedEntry, error) {
	const op = "feed_read"
	from := "-"
	if after != "" && after != "0" {
		if !feedID.MatchString(after) {
			return nil, invalid(op, fmt.Errorf("feed id %.40q is not <number>-<number>", after))
		}
		from = "(" + after
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	entries, err := s.rdb.XRange(ctx, feedKey(key), from, "+").Result()
	if err != nil {
		return nil, failure(op, err)
	}
	out := make([]channel.FeedEntry, 0, len(entries))
	for _, e := range entries {
		if v, _ := e.Values["v"].(string); v != "1" {
			return nil, failure(op, fmt.Errorf("feed entry of version %.10q, this program reads 1", v))
		}
		p, _ := e.Values["p"].(string)
		out = append(out, channel.FeedEntry{ID: e.ID, Payload: []byte(p)})
	}
	return out, nil
}

var _ interface {
	channel.TokenCache
	channel.Locker
	channel.LiveReader
	channel.Feed
} = (*Store)(nil)
