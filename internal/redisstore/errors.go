package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

var (
	errTTL   = errors.New("the time to live must be positive: nothing with personal data is kept for ever")
	errOrder = errors.New("not the next part of a committed reply, or there is none")
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
	case errors.As(err, &reply):
		e.Code, _, _ = strings.Cut(reply.Error(), " ")
	case errors.Is(err, context.Canceled):
		e.Kind, e.Maybe = chat.Canceled, true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		e.Kind, e.Maybe = chat.Timeout, true
	default:
		e.Maybe = true
	}
	return e
}

func invalid(op string, err error) error { return chat.E(chat.Invalid, "redis."+op, err) }
