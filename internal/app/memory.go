package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

const (
	// memoryCloses and memoryOpens are how full Redis is when messages are refused, and taken in again: what is in the mailboxes by then needs
	// room for its answers.
	memoryCloses, memoryOpens = 0.80, 0.75
	memoryLook                = 500 * time.Millisecond
	// memoryBlind is how long the last word counts when Redis does not tell any more.
	memoryBlind = 10 * time.Second
)

// memoryGuard refuses messages while Redis is nearly full. All that is accepted is answered meanwhile.
type memoryGuard struct {
	full     func(context.Context) (float64, error)
	log      *slog.Logger
	closed   atomic.Bool
	seen     time.Time // when Redis told last; zero: never
	silent   bool      // that it does not tell was logged
	ratio    prometheus.Gauge
	shut     prometheus.Gauge
	refusals prometheus.Counter
}

func newMemoryGuard(full func(context.Context) (float64, error), log *slog.Logger, reg prometheus.Registerer) *memoryGuard {
	g := &memoryGuard{
		full: full, log: log,
		ratio: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_redis_memory_ratio", Help: "Memory that Redis uses, of its maxmemory; in a cluster, of the fullest master. 0: no maxmemory, or not known.",
		}),
		shut: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_redis_memory_closed", Help: "1 while messages are refused (503) because Redis is nearly full.",
		}),
		refusals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_redis_memory_refused_total", Help: "Messages refused (503) because Redis is nearly full.",
		}),
	}
	reg.MustRegister(g.ratio, g.shut, g.refusals)
	return g
}

// refuses is the error with which a message is refused; nil: it is not.
func (g *memoryGuard) refuses() error {
	if !g.closed.Load() {
		return nil
	}
	g.refusals.Inc()
	e := chat.E(chat.Unavailable, "memory.accept", fmt.Errorf("redis uses more than %.0f %% of its maxmemory", memoryOpens*100))
	e.Code = chat.CodeMemory
	return e
}

// run looks until ctx ends.
func (g *memoryGuard) run(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	for {
		g.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *memoryGuard) look(ctx context.Context) {
	full, err := g.full(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if e := chat.KindOf(err); e != chat.Timeout && !g.silent { // an outage is told by others
			g.silent = true
			g.log.Warn("Redis does not tell how full it is (INFO memory); messages are not refused before it is quite full", "err", err)
		}
		if time.Since(g.seen) < memoryBlind {
			return
		}
		full = 0
	default:
		g.seen, g.silent = time.Now(), false
	}
	g.ratio.Set(full)
	switch closed := g.closed.Load(); {
	case !closed && full >= memoryCloses:
		g.closed.Store(true)
		g.shut.Set(1)
		g.log.Error("Redis is nearly full: messages are refused (503) until it has room; those accepted are answered",
			"used", percent(full), "closes_at", percent(memoryCloses), "opens_below", percent(memoryOpens))
	case closed && full < memoryOpens:
		g.closed.Store(false)
		g.shut.Set(0)
		if err != nil {
			g.log.Warn("how full Redis is has not been known for a while: messages are accepted")
			return
		}
		g.log.Info("Redis has room again: messages are accepted", "used", percent(full))
	}
}

func percent(ratio float64) string { return fmt.Sprintf("%.1f%%", ratio*100) }
