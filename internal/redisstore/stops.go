package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/conversation"
)

// stopsEvery is how often a process looks whether it serves other tenants by now.
const stopsEvery = time.Second

// Stops implements conversation.Store. It blocks until the subscription stands, at most Options.Timeout; if Redis is away, the subscription
// is made when it is back. Each tenant has a channel of its own, so that a Redis user can be confined to its own.
func (s *Store) Stops(ctx context.Context, owner string, tenants func() []string) <-chan conversation.Held {
	out := make(chan conversation.Held, 64)
	sub := &stopsSub{s: s, owner: name(owner), tenants: tenants}
	sub.follow(ctx)
	go func() {
		defer close(out)
		defer sub.close()
		tick := time.NewTicker(stopsEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				sub.follow(ctx)
			case m, ok := <-sub.in:
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

// stopsSub is one process's subscription to the stop channels of the tenants that it serves.
type stopsSub struct {
	s       *Store
	owner   string
	tenants func() []string
	names   []string // subscribed
	sub     *redis.PubSub
	in      <-chan *redis.Message // nil: no tenant yet
}

// follow subscribes to the tenants that came and leaves those that went. What fails here go-redis makes up for when it connects again.
func (f *stopsSub) follow(ctx context.Context) {
	ctx, cancel := f.s.bound(ctx)
	defer cancel()
	now := f.tenants()
	var come, gone []string
	for _, t := range now {
		if !slices.Contains(f.names, t) {
			come = append(come, stopChannel(t, f.owner))
		}
	}
	for _, t := range f.names {
		if !slices.Contains(now, t) {
			gone = append(gone, stopChannel(t, f.owner))
		}
	}
	f.names = now
	switch {
	case f.sub == nil && len(come) > 0:
		f.sub = f.s.rdb.Subscribe(ctx, come...)
		_, _ = f.sub.Receive(ctx) // the confirmation
		f.in = f.sub.Channel()
	case len(come) > 0:
		_ = f.sub.Subscribe(ctx, come...)
	}
	if f.sub != nil && len(gone) > 0 {
		_ = f.sub.Unsubscribe(ctx, gone...)
	}
}

func (f *stopsSub) close() {
	if f.sub != nil {
		_ = f.sub.Close()
	}
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
