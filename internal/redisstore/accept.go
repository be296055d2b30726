package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Accept implements conversation.Store. The limit of a user counts within a shard (a person's conversations may lie in several); that of
// waiting messages counts the other shards as they were at most waitingAge ago.
func (s *Store) Accept(ctx context.Context, m chat.Message, opt conversation.AcceptOptions) (conversation.Accepted, error) {
	const op = "accept"
	out := conversation.Accepted{Shard: conversation.ShardOf(m.Conversation)}
	if opt.DedupeFor <= 0 || m.Once != "" && m.OnceFor <= 0 {
		return out, invalid(op, errTTL)
	}
	body, err := encodeMessage(m)
	if err != nil {
		return out, invalid(op, fmt.Errorf("the message cannot be stored: %w", err))
	}
	key := m.Conversation
	once, stop, forget := "", 0, 0
	if m.Once != "" {
		once = "1:" + name(key.Channel, m.Once)
	}
	if opt.Stop {
		stop = 1
	}
	if opt.Forget {
		forget = 1
	}
	ctx, cancel := s.bound(ctx) // of both steps
	defer cancel()
	last, merged, err := s.merge(ctx, m, opt)
	if err != nil {
		return out, err
	}
	w := s.waitingOf(key.Tenant)
	others, refresh := w.others(out.Shard.Index, opt.Waiting > 0)
	v, err := s.each(ctx, op, s.scripts.accept, []string{prefix(out.Shard)}, refresh.refresh(ctx, key.Tenant),
		handle(key), body, stop, "d:"+name(key.Channel, m.ID), millis(opt.DedupeFor), once, millis(m.OnceFor),
		"r:"+name(key.Channel, m.User), opt.UserPerMinute, opt.Waiting, others,
		stopChannel(key.Tenant, ""), fmt.Sprintf("%s %d", name(key.Tenant), out.Shard.Index), forget, last, merged)
	w.learn(refresh)
	if err != nil {
		return out, err
	}
	switch r := list(v[0]); {
	case len(r) == 0:
		return out, failure(op, errors.New("the script answered nothing"))
	case number(r[0]) == 1:
		out.Duplicate = true
	case number(r[0]) == 2:
		out.Ignored = true
	default:
		out.Seq, out.Ready, out.Merged = number(r[1]), number(r[3]) == 1, number(r[4]) == 1
		if shed := text(r[2]); shed != "-" {
			out.Shed = conversation.Shed(shed)
		}
	}
	return out, nil
}

// waitingAge is how old the known number of messages waiting in a tenant's other shards may be.
const waitingAge = 250 * time.Millisecond

// waiting is what this process knows of a tenant's waiting messages, by shard.
type waiting struct {
	mu   sync.Mutex
	n    [conversation.Shards]int64
	read time.Time
}

// counts is a reading under way.
type counts [conversation.Shards]*ask

func (s *Store) waitingOf(tenant string) *waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[tenant]
	if w == nil {
		w = &waiting{}
		s.waiting[tenant] = w
	}
	return w
}

// others sums up the shards but one. If the figures are old, the caller is to read them: it gets a place for that.
func (w *waiting) others(index int, wanted bool) (n int64, refresh *counts) {
	if !wanted {
		return 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, c := range w.n {
		if i != index {
			n += c
		}
	}
	if time.Since(w.read) > waitingAge {
		w.read = time.Now() // one reader at a time
		refresh = new(counts)
	}
	return n, refresh
}

// refresh is the reading, to go along with an accept.
func (c *counts) refresh(ctx context.Context, tenant string) []*ask {
	if c == nil {
		return nil
	}
	for i := range c {
		key := prefix(conversation.Shard{Tenant: tenant, Index: i}) + "n"
		c[i] = &ask{key: key, cmd: redis.NewStringCmd(ctx, "hget", key, "waiting")}
	}
	return c[:]
}

func (w *waiting) learn(c *counts) {
	if c == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, a := range c {
		switch {
		case a.err == nil:
			w.n[i] = number(a.cmd.(*redis.StringCmd).Val())
		case errors.Is(a.err, redis.Nil):
			w.n[i] = 0
		}
	}
}
