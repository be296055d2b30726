package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/channel"
	"parley/internal/chat"
)

// What a channel keeps is stored as "1:" and itself, as tokens are.
const (
	memoVersion = "1:"
	maxMemo     = 64 << 10
)

// Recall implements channel.Memo.
func (s *Store) Recall(ctx context.Context, key string) (string, error) {
	const op = "recall"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	v, err := s.rdb.Get(ctx, memoKey(key)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", failure(op, err)
	}
	return readMemo(op, v)
}

// Remember implements channel.Memo.
func (s *Store) Remember(ctx context.Context, key, value string, ttl time.Duration) error {
	const op = "remember"
	if err := checkMemo(op, value, ttl); err != nil {
		return err
	}
	_, err := s.run(ctx, op, s.scripts.keep, memoKey(key), memoVersion+value, millis(ttl), 0)
	return err
}

// RememberFirst implements channel.Memo.
func (s *Store) RememberFirst(ctx context.Context, key, value string, ttl time.Duration) (string, error) {
	const op = "remember_first"
	if err := checkMemo(op, value, ttl); err != nil {
		return "", err
	}
	kept, err := s.run(ctx, op, s.scripts.keep, memoKey(key), memoVersion+value, millis(ttl), 1)
	switch {
	case err != nil:
		return "", err
	case text(kept) == "":
		return value, nil
	}
	return readMemo(op, text(kept))
}

func readMemo(op, v string) (string, error) {
	value, known := strings.CutPrefix(v, memoVersion)
	if !known {
		return "", failure(op, fmt.Errorf("a memo of another version than %s", memoVersion))
	}
	return value, nil
}

func checkMemo(op, value string, ttl time.Duration) error {
	switch {
	case ttl <= 0:
		return invalid(op, errTTL)
	case len(value) > maxMemo:
		return invalid(op, fmt.Errorf("a memo of %d bytes; at most %d", len(value), maxMemo))
	}
	return nil
}

// maxPace bounds how far ahead places are taken: what the key says beyond an hour is not believed.
const maxPace = 30 * time.Minute

// Take implements channel.Limiter. Burst is at least 1, most and Burst × Every at most maxPace each; else the error is of kind Invalid.
func (s *Store) Take(ctx context.Context, key string, p chat.Pace, most time.Duration) (time.Duration, bool, error) {
	if p.Every <= 0 {
		return 0, true, nil
	}
	if p.Burst < 1 || most > maxPace || time.Duration(p.Burst)*p.Every > maxPace {
		return 0, false, invalid("take", fmt.Errorf("no pace that is kept: %d at once, then one in each %v, at most %v ahead", p.Burst, p.Every, most))
	}
	v, err := s.run(ctx, "take", s.scripts.take, paceKey(key), p.Burst, millis(p.Every), millis(most))
	if err != nil {
		return 0, false, err
	}
	r := list(v)
	if len(r) != 2 {
		return 0, false, failure("take", errors.New("not the answer of this step"))
	}
	return time.Duration(number(r[1])) * time.Millisecond, number(r[0]) == 1, nil
}

var _ interface {
	channel.Memo
	channel.Limiter
	channel.Leader
} = (*Store)(nil)
