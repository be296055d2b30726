package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

// A token is stored as "1:" and itself; the 1 is the format's version.
const tokenVersion = "1:"

// Token implements channel.TokenCache.
func (s *Store) Token(ctx context.Context, key string) (chat.Secret, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	v, err := s.rdb.Get(ctx, tokenKey(key)).Result()
	token, known := strings.CutPrefix(v, tokenVersion)
	switch {
	case errors.Is(err, redis.Nil), err == nil && !known: // a later format: fetch a fresh one
		return chat.Secret{}, nil
	case err != nil:
		return chat.Secret{}, failure("token", err)
	}
	return chat.NewSecret(token), nil
}

// SetToken implements channel.TokenCache.
func (s *Store) SetToken(ctx context.Context, key string, token chat.Secret, ttl time.Duration) error {
	const op = "set_token"
	if ttl <= 0 {
		return invalid(op, errTTL)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return failure(op, s.rdb.Set(ctx, tokenKey(key), tokenVersion+token.Reveal(), ttl).Err())
}

// DropToken implements channel.TokenCache.
func (s *Store) DropToken(ctx context.Context, key string, old chat.Secret) error {
	_, err := s.run(ctx, "drop_token", s.scripts.drop, tokenKey(key), tokenVersion+old.Reveal())
	return err
}

// TryLock implements channel.Locker. unlock blocks at most Options.Timeout; if it fails, the lock ends with its ttl.
func (s *Store) TryLock(ctx context.Context, key string, ttl time.Duration) (unlock func(), ok bool, err error) {
	const op = "try_lock"
	if ttl <= 0 {
		return nil, false, invalid(op, errTTL)
	}
	lock, mine := lockKey(key), rand.Text()
	holder, err := s.run(ctx, op, s.scripts.keep, lock, mine, millis(ttl), 1)
	if err != nil || text(holder) != "" {
		return nil, false, err
	}
	return func() { _, _ = s.run(context.WithoutCancel(ctx), "unlock", s.scripts.drop, lock, mine) }, true, nil
}
