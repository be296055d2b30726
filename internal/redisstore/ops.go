package redisstore

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return failure("ping", s.rdb.Ping(ctx).Err())
}

// Memory is how full Redis is, summed over a cluster's masters, and how safe what it holds is.
type Memory struct {
	Used, Max int64  // bytes; Max 0: no limit
	Policy    string // maxmemory-policy; anything but noeviction may drop conversations
	AOF       bool   // whether every master keeps an append-only file
}

// Memory asks Redis for its INFO. Fields that a server does not report stay zero.
func (s *Store) Memory(ctx context.Context) (Memory, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	var mu sync.Mutex
	out := Memory{AOF: true}
	ask := func(ctx context.Context, node redis.Cmdable) error {
		text, err := node.Info(ctx).Result()
		mu.Lock()
		defer mu.Unlock()
		out.add(text)
		return err
	}
	var err error
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		err = c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return ask(ctx, node) })
	} else {
		err = ask(ctx, s.rdb)
	}
	if err != nil {
		return Memory{}, failure("memory", err)
	}
	return out, nil
}

func (m *Memory) add(info string) {
	aof := false
	for line := range strings.Lines(info) {
		field, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch field {
		case "used_memory":
			m.Used += number(v)
		case "maxmemory":
			m.Max += number(v)
		case "maxmemory_policy":
			m.Policy = v
		case "aof_enabled":
			aof = v == "1"
		}
	}
	m.AOF = m.AOF && aof
}

const clientsPrefix = root + "{clients}:"

// SetClient says that the client service id lives, for ttl, with a document about it for operators.
func (s *Store) SetClient(ctx context.Context, id string, doc []byte, ttl time.Duration) error {
	const op = "set_client"
	if ttl <= 0 {
		return invalid(op, errTTL)
	}
	_, err := s.run(ctx, op, s.scripts.clientsSet, clientsPrefix, id, doc, millis(ttl))
	return err
}

// Clients returns the documents of the client services that live, by id.
func (s *Store) Clients(ctx context.Context) (map[string][]byte, error) {
	v, err := s.run(ctx, "clients", s.scripts.clients, clientsPrefix)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for r := list(v); len(r) >= 2; r = r[2:] {
		out[text(r[0])] = []byte(text(r[1]))
	}
	return out, nil
}
