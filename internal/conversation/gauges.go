package conversation

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxCodes = 64
	// maxTenants is how many tenants a process names in its metrics, about 25 series each; a client service has a few. What the others do is
	// summed up as "other", so that a process that serves a thousand can still be scraped.
	maxTenants = 100
	other      = "other"
)

// tenant is the label of a tenant.
func (m *metrics) tenant(name string) string { return m.tenants.label(name) }

// begin makes the counters of a tenant's rarer ends, so that Prometheus sees the first of each rise from 0. Those there are, stay.
func (m *metrics) begin(tenant string) {
	for _, result := range []string{"stored", "failed"} {
		m.accepted.WithLabelValues(tenant, result)
	}
	for _, result := range []string{"sent", ambiguous, undeliverable, givenUp} {
		m.sends.WithLabelValues(tenant, result)
	}
	for _, v := range []*prometheus.CounterVec{m.ambiguous, m.unaccounted} {
		v.WithLabelValues(tenant)
	}
	m.turns.WithLabelValues(tenant, "answered")
}

// channel is a counter of a tenant's channel.
func (m *metrics) channel(of *prometheus.CounterVec, tenant, channel string, more ...string) prometheus.Counter {
	if tenant = m.tenant(tenant); tenant == other {
		channel = other
	}
	return of.WithLabelValues(append([]string{tenant, channel}, more...)...)
}

// statsLoop keeps the gauges that describe the store, not this process.
func (s *Service) statsLoop(ctx context.Context) {
	every(ctx, 5*time.Second, func() {
		standing, all := s.lines.oldest(), map[string]Stats{}
		for _, t := range s.Directory.Tenants() {
			st, err := s.Store.Stats(ctx, t)
			if err != nil {
				all = nil // the figures before stay, rather than a part of the new ones
				break
			}
			label := s.metrics.tenant(t)
			sum, known := all[label]
			if !known {
				s.metrics.begin(label)
			}
			sum.Waiting += st.Waiting
			sum.Ready += st.Ready
			sum.Oldest = max(sum.Oldest, st.Oldest)
			sum.Dead += st.Dead
			sum.Postponed += st.Postponed
			all[label] = sum
		}
		for t, st := range all {
			s.metrics.waiting.WithLabelValues(t).Set(float64(st.Waiting))
			s.metrics.ready.WithLabelValues(t).Set(float64(st.Ready))
			s.metrics.oldest.WithLabelValues(t).Set(st.Oldest.Seconds())
			s.metrics.dead.WithLabelValues(t).Set(float64(st.Dead))
			s.metrics.postponed.WithLabelValues(t).Set(float64(st.Postponed))
		}
		s.gates.keep(func(tenant, channel string) bool { _, ok := s.Directory.Outlet(tenant, channel); return ok })
		s.metrics.stand(s.Directory.Tenants(), standing)
	})
}

// stand tells since when each tenant's oldest message stands in a line.
func (m *metrics) stand(tenants []string, since map[string]time.Time) {
	oldest := map[string]float64{}
	for _, t := range tenants {
		age := 0.0
		if at, ok := since[t]; ok {
			age = time.Since(at).Seconds()
		}
		oldest[m.tenant(t)] = max(oldest[m.tenant(t)], age)
	}
	for t, age := range oldest {
		m.standing.WithLabelValues(t).Set(age)
	}
}

// bounded lets the first so many values of a label through and calls the rest "other".
type bounded struct {
	most int
	mu   sync.Mutex
	seen map[string]bool
}

func (b *bounded) label(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	switch {
	case b.seen[v]:
	case len(b.seen) >= b.most, len(v) > 64:
		return other
	default:
		b.seen[v] = true
	}
	return v
}
