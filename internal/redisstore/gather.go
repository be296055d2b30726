package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// gather takes commands to Redis (to one node of a cluster) in few round trips at once. What is asked while all are under way goes with the next
// in one pipeline: the busier Redis is, the fewer system calls, wakeups and fsyncs a command costs. Nothing ever waits for company.
type gather struct {
	rdb     redis.UniversalClient
	timeout time.Duration // of one round trip

	mu      sync.Mutex
	free    int // round trips that may begin; none while somebody waits
	waiting []*gathered
}

// gathered is what one caller asks.
type gathered struct {
	cmds []redis.Cmder
	done chan struct{}
}

// maxGathered bounds the commands of one round trip, if several callers share it.
const maxGathered = 128

// do returns nil when each command has its result or its error. An error is that of ctx (and errUnsent, if nothing was asked); the commands are not
// to be looked at then.
func (g *gather) do(ctx context.Context, cmds []redis.Cmder) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		defer g.goOn()
		g.trip(ctx, cmds)
		return nil
	}
	c := &gathered{cmds, make(chan struct{})}
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		if g.leave(c) {
			return errors.Join(errUnsent, ctx.Err())
		}
		return ctx.Err()
	}
}

// leave takes a caller out of those who wait, and says whether it was one of them.
func (g *gather) leave(c *gathered) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, c)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// goOn ends a round trip: the next begins, if anybody waits.
func (g *gather) goOn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.free++
		return
	}
	go func() {
		defer g.goOn()
		batch, cmds := g.take()
		g.trip(context.Background(), cmds) // no caller's end ends the others'
		for _, c := range batch {
			close(c.done)
		}
	}()
}

// take takes those who have waited longest.
func (g *gather) take() (batch []*gathered, cmds []redis.Cmder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for ; n < len(g.waiting) && (n == 0 || len(cmds)+len(g.waiting[n].cmds) <= maxGathered); n++ {
		cmds = append(cmds, g.waiting[n].cmds...)
	}
	batch = slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return batch, cmds
}

// trip carries out commands.
func (g *gather) trip(ctx context.Context, cmds []redis.Cmder) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	switch len(cmds) {
	case 0:
	case 1:
		_ = g.rdb.Process(ctx, cmds[0])
	default:
		pipe := g.rdb.Pipeline()
		for _, c := range cmds {
			_ = pipe.Process(ctx, c)
		}
		runAll(ctx, pipe)
	}
}
