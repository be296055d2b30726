package redisstore

import (
	"context"
	"strconv"
	"strings"

	"parley/internal/conversation"
)

// Stops implements conversation.Store. It blocks until the subscription stands, at most Options.Timeout; if Redis is away, the subscription
// is made when it is back.
func (s *Store) Stops(ctx context.Context, owner string) <-chan conversation.Held {
	out := make(chan conversation.Held, 64)
	bound, cancel := s.bound(ctx)
	defer cancel()
	sub := s.rdb.Subscribe(bound, stopChannel(name(owner)))
	_, _ = sub.Receive(bound) // the confirmation; without one, the channel below subscribes again
	go func() {
		defer close(out)
		defer sub.Close()
		in := sub.Channel()
		for {
			select {
			case <-ctx.Done():
				return
			case m, ok := <-in:
				if !ok {
					return
				}
				h, ok := decodeStop(m.Payload)
				if !ok {
					continue
				}
				select {
				case out <- h:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// decodeStop reads "TENANT SHARD CONVERSATION FENCE". Tenants' names are their own encoding.
func decodeStop(payload string) (conversation.Held, bool) {
	f := strings.Fields(payload)
	if len(f) != 4 {
		return conversation.Held{}, false
	}
	index, err := strconv.Atoi(f[1])
	return conversation.Held{Shard: conversation.Shard{Tenant: f[0], Index: index}, Handle: f[2], Fence: number(f[3])}, err == nil
}
