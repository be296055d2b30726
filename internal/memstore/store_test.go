package memstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation/storetest"
	"parley/internal/memstore"
)

// clock is a clock that only moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)} }

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		c := newClock()
		return storetest.Harness{Store: memstore.New(c.Now), Advance: c.Advance}
	})
}

func TestSharedContract(t *testing.T) {
	storetest.RunShared(t, func(*testing.T) storetest.SharedHarness {
		c := newClock()
		s := memstore.New(c.Now)
		return storetest.SharedHarness{Shared: s, Advance: c.Advance, Read: func(ctx context.Context, key chat.ConversationKey, after string) ([]string, error) {
			entries, err := s.Read(ctx, key, after)
			var out []string
			for _, e := range entries {
				out = append(out, e.ID+" "+string(e.Payload))
			}
			return out, err
		}}
	})
}
