package openai

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel/channeltest"
)

// Replicas share a key's budget, however it is handed out to them.
func TestAllow(t *testing.T) {
	for name, tt := range map[string]struct{ limit, replicas int }{
		"few": {7, 3}, "a batch of one": {100, 2}, "batches": {6000, 3}, "one": {1, 2}, "uneven": {119, 2}, "batches of two": {121, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := channeltest.NewCache()
				var replicas []*Channel
				for range tt.replicas {
					c := newCompany("acme")
					d := c.deps()
					d.Limits = cache
					replicas = append(replicas, c.channel(t, d, testKey))
				}
				let := func() (n int) {
					for _, c := range replicas {
						for {
							wait, ok, err := c.allow(t.Context(), c.keys[0], tt.limit)
							if err != nil {
								t.Fatal(err)
							}
							if !ok {
								if wait <= 0 {
									t.Fatal("it does not say when to come again")
								}
								break
							}
							n++
						}
					}
					return n
				}
				if n := let(); n > tt.limit || n < tt.limit-tt.limit/batches {
					t.Errorf("%d requests at once, want %d", n, tt.limit)
				}
				total := 0
				for range 60 {
					time.Sleep(time.Second)
					total += let()
				}
				if total > tt.limit+tt.limit/batches || total < tt.limit-tt.limit/batches-1 {
					t.Errorf("%d requests in the next minute, want %d", total, tt.limit)
				}
			})
		})
	}
}

func TestAllowTogether(t *testing.T) {
	c := newCompany("acme")
	ch := c.channel(t, c.deps(), testKey)
	var let atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				if _, ok, err := ch.allow(t.Context(), ch.keys[0], 600); err != nil {
					t.Error(err)
				} else if ok {
					let.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := let.Load(); n < 600 || n > 620 { // a batch of 10 or two may have come back meanwhile
		t.Errorf("%d requests of 1000, want 600", n)
	}
}

func TestAllowWithoutTheStore(t *testing.T) {
	c := newCompany("acme")
	cache := channeltest.NewCache()
	cache.Fail(errors.New("down"))
	d := c.deps()
	d.Limits = cache
	ch := c.channel(t, d, testKey)
	if _, ok, err := ch.allow(t.Context(), ch.keys[0], 5); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, ok, err := ch.allow(t.Context(), ch.keys[0], 0); !ok || err != nil {
		t.Errorf("without a limit: %v, %v", ok, err)
	}
}
