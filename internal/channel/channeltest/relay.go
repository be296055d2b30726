package channeltest

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/internal/chat"
)

// asked is one request of a Relay.
type asked struct {
	ctx     context.Context
	payload []byte
	answer  chan []byte
}

func (c *Cache) asks(key string) chan asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.served[key] == nil {
		c.served[key] = make(chan asked)
	}
	return c.served[key]
}

// Ask implements channel.Relay.
func (c *Cache) Ask(ctx context.Context, key string, payload []byte, within time.Duration) ([]byte, error) {
	const op = "relay.ask"
	c.mu.Lock()
	fail := c.fail
	c.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	a := asked{ctx, payload, make(chan []byte, 1)}
	select {
	case c.asks(key) <- a:
	case <-ctx.Done():
		return nil, chat.E(chat.Unavailable, op, errors.New("nobody serves this"))
	}
	select {
	case answer := <-a.answer:
		return answer, nil
	case <-ctx.Done():
		e := chat.E(chat.Timeout, op, ctx.Err())
		e.Maybe = true
		return nil, e
	}
}

// Serve implements channel.Relay.
func (c *Cache) Serve(ctx context.Context, key string, f func(context.Context, []byte) []byte) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-c.asks(key):
			running.Go(func() { a.answer <- f(a.ctx, a.payload) })
		}
	}
}
