package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	running map[[2]string]int // by tenant and channel
}

func newRunners() *runners {
	return &runners{wanted: map[string]*wire.Company{}, current: map[string]func(){}, running: map[[2]string]int{}}
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
	for chName, ch := range c.Channels {
		if runner, ok := ch.(channel.Runner); ok {
			r.running[[2]string{name, chName}]++
			r.wg.Go(func() {
				runner.Run(ctx)
				r.mu.Lock()
				defer r.mu.Unlock()
				r.running[[2]string{name, chName}]--
			})
		}
	}
}

func (*runners) fetch() *prometheus.Desc {
	return prometheus.NewDesc("parley_channel_fetching", "1 for a channel whose messages this process fetches, or holds a connection for; absent: it does not.",
		[]string{"tenant", "channel"}, nil)
}

// Describe implements [prometheus.Collector].
func (r *runners) Describe(ch chan<- *prometheus.Desc) { ch <- r.fetch() }

// Collect implements [prometheus.Collector].
func (r *runners) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, n := range r.running {
		if n > 0 {
			ch <- prometheus.MustNewConstMetric(r.fetch(), prometheus.GaugeValue, 1, at[0], at[1])
		}
	}
}
