package app

import (
	"context"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
)

// runnerOverlap is how long the channels of a document that was replaced go on receiving: meanwhile the new ones connect, and nothing that a
// platform sends only once falls between them.
const runnerOverlap = 3 * time.Second

// runners keeps the channels receiving that fetch messages themselves, as the tenants' documents have them.
type runners struct {
	mu      sync.Mutex
	ctx     context.Context // nil: messages cannot be accepted yet
	wg      sync.WaitGroup
	wanted  map[string]*wire.Company
	current map[string]func() // by tenant: ends its runners
}

func newRunners() *runners {
	return &runners{wanted: map[string]*wire.Company{}, current: map[string]func(){}}
}

// swap takes a tenant's newest form.
func (r *runners) swap(name string, c *wire.Company) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted[name] = c
	if r.ctx != nil {
		r.start(name, c)
	}
}

// run receives until ctx ends and every runner has returned.
func (r *runners) run(ctx context.Context) {
	r.mu.Lock()
	r.ctx = ctx
	for name, c := range r.wanted {
		r.start(name, c)
	}
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()   // a swap that was about to start something has done so, or finds ctx ended
	r.mu.Unlock() //nolint:staticcheck // the pair is a barrier
	r.wg.Wait()
}

func (r *runners) start(name string, c *wire.Company) {
	ctx, cancel := context.WithCancel(r.ctx)
	old, had := r.current[name]
	r.current[name] = cancel
	if had {
		time.AfterFunc(runnerOverlap, old)
	}
	if c.Tenant.Suspended || ctx.Err() != nil {
		return
	}
	for _, ch := range c.Channels {
		if runner, ok := ch.(channel.Runner); ok {
			r.wg.Go(func() { runner.Run(ctx) })
		}
	}
}
