package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

var (
	errTTL    = errors.New("the time to live must be positive: nothing with personal data is kept for ever")
	errUnsent = errors.New("it was not sent: as much as may be was under way")
	errOrder  = errors.New("not the next part of a committed reply, or there is none")
)

// failure turns what go-redis reports into the store's error. Redis's own word (LOADING, READONLY, OOM, NOAUTH, …) becomes the code.
func failure(op string, err error) error {
	if err == nil {
		return nil
	}
	e := chat.E(chat.Unavailable, "redis."+op, err)
	var reply redis.Error
	var network net.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial": // nothing was sent
		if dial.Timeout() {
			e.Kind = chat.Timeout
		}
	case errors.Is(err, redis.ErrPoolTimeout): // nor here
		e.Kind = chat.Timeout
	case errors.Is(err, errUnsent): // nor here
		e.Kind = chat.KindOf(err)
	case errors.As(err, &reply):
		e.Code, _, _ = strings.Cut(reply.Error(), " ")
		if mend := mends(e.Code); mend != "" {
			e.Err = fmt.Errorf("%w (%s)", err, mend)
		}
	case errors.Is(err, context.Canceled):
		e.Kind, e.Maybe = chat.Canceled, true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		e.Kind, e.Maybe = chat.Timeout, true
	default:
		e.Maybe = true
	}
	return e
}

// mends says what an operator can do about Redis's refusal with this word; empty: nothing is known but the word.
func mends(word string) string {
	switch word {
	case "NOAUTH", "WRONGPASS":
		return "set redis.username and redis.password to those of a user of this Redis"
	case "NOPERM":
		return "take the Redis user of this tenant (redis.username), or make it anew with this release's deploy/redis-users"
	case "WRONGTYPE":
		return "another program has written to one of Parley's keys: give Parley a Redis, or a redis.db, of its own"
	}
	return ""
}

func invalid(op string, err error) error { return chat.E(chat.Invalid, "redis."+op, err) }
