package redisstore

import (
	"context"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Memory is how full Redis is, and how safe what it holds is.
type Memory struct {
	Used, Max int64   // bytes, summed over a cluster's masters
	Full      float64 // used by maximum, of the master where it is highest; 0: none of them has a maximum
	Unbounded bool    // a master has no maxmemory
	Policy    string  // maxmemory-policy; anything but noeviction may drop conversations
	AOF       bool    // whether every master keeps an append-only file
	Fsync     string  // appendfsync; empty: not known
}

// Memory asks every master for its INFO. Fields that a server does not report stay zero. settings asks for Fsync, too (CONFIG GET): users with
// few rights are refused that, and Redis keeps a log of it.
func (s *Store) Memory(ctx context.Context, settings bool) (Memory, error) {
	out := Memory{AOF: true}
	err := s.masters(ctx, "memory", func(ctx context.Context, node redis.Cmdable) (func(), error) {
		text, err := node.Info(ctx).Result()
		if err != nil {
			return nil, err
		}
		i := parseInfo(text)
		var fsync map[string]string
		if settings {
			fsync, _ = node.ConfigGet(ctx, "appendfsync").Result()
		}
		return func() {
			out.add(i)
			out.Policy = i["maxmemory_policy"]
			out.AOF = out.AOF && i["aof_enabled"] == "1"
			if v := fsync["appendfsync"]; out.Fsync == "" || v != "always" {
				out.Fsync = v
			}
		}, nil
	})
	return out, err
}

// Full is Memory's figure alone, cheap enough to be asked for every second.
func (s *Store) Full(ctx context.Context) (float64, error) {
	var m Memory
	err := s.masters(ctx, "full", func(ctx context.Context, node redis.Cmdable) (func(), error) {
		text, err := node.Info(ctx, "memory").Result()
		return func() { m.add(parseInfo(text)) }, err
	})
	return m.Full, err
}

// masters asks the server, or each master of a cluster at once; what ask returns is called by one after the other.
func (s *Store) masters(ctx context.Context, op string, ask func(context.Context, redis.Cmdable) (func(), error)) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	var mu sync.Mutex
	each := func(ctx context.Context, node redis.Cmdable) error {
		add, err := ask(ctx, node)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		add()
		return nil
	}
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		return failure(op, c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return each(ctx, node) }))
	}
	return failure(op, each(ctx, s.rdb))
}

func parseInfo(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if field, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[field] = v
		}
	}
	return out
}

// add counts one master's memory as Redis itself does when it decides that it is full: without what replicas and the append-only file hold
// for a moment.
func (m *Memory) add(info map[string]string) {
	used, most := number(info["used_memory"])-number(info["mem_not_counted_for_evict"]), number(info["maxmemory"])
	m.Used += used
	m.Max += most
	if most == 0 {
		m.Unbounded = true
		return
	}
	m.Full = max(m.Full, float64(used)/float64(most))
}
