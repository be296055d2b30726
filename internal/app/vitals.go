package app

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/telemetry"
)

// tellOfProcess registers what every role tells of itself: its release, and its clock, which whoever scrapes compares with the others'.
func tellOfProcess(tel *telemetry.Telemetry, role, version string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "parley_build_info", Help: "1, with this process's role and release.",
		ConstLabels: prometheus.Labels{"role": role, "version": version, "go": runtime.Version()},
	})
	info.Set(1)
	tel.Metrics.MustRegister(info, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parley_time_seconds", Help: "This process's clock at the scrape, since 1970.",
	}, func() float64 { return float64(time.Now().UnixMilli()) / 1000 }))
}

const (
	clockLook = 5 * time.Second
	// clockBlind is how long a figure counts when it cannot be measured any more.
	clockBlind = time.Minute
)

// clockWatch compares this process's clock with Redis's, which dates messages and leases.
type clockWatch struct {
	skew  func(context.Context) (time.Duration, error)
	gauge *prometheus.GaugeVec
	seen  time.Time
}

func newClockWatch(skew func(context.Context) (time.Duration, error), reg prometheus.Registerer) *clockWatch {
	w := &clockWatch{skew: skew, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parley_clock_skew_seconds", Help: "How far this process's clock is ahead of another's; in a cluster, of the master's that is farthest away.",
	}, []string{"against"})}
	reg.MustRegister(w.gauge)
	return w
}

// run looks until ctx ends.
func (w *clockWatch) run(ctx context.Context) {
	tick := time.NewTicker(clockLook)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *clockWatch) look(ctx context.Context) {
	d, err := w.skew(ctx)
	switch {
	case err == nil:
		w.seen = time.Now()
		w.gauge.WithLabelValues("redis").Set(d.Seconds())
	case time.Since(w.seen) > clockBlind:
		w.gauge.DeleteLabelValues("redis")
	}
}
