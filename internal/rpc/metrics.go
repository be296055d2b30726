package rpc

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

// register adds c to reg, or gives the one that is there already: a process may hold a server and several clients.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if err := reg.Register(c); err != nil {
		if have, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			if same, ok := have.ExistingCollector.(C); ok {
				return same
			}
		}
	}
	return c
}

// durations are steps of 1, 2 and 5: fine enough to read a quantile between them.
var durations = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500}

type serverMetrics struct {
	streams prometheus.Gauge
	limit   prometheus.Gauge
	ends    *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newServerMetrics(reg prometheus.Registerer) *serverMetrics {
	return &serverMetrics{
		streams: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_rpc_server_streams", Help: "Completions running in this server."})),
		limit: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_rpc_server_streams_limit", Help: "Completions that this server runs at once, at most (limits.streams)."})),
		ends: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_rpc_server_completions_total", Help: "Completions ended, by outcome: ok or a kind of error."}, []string{"outcome"})),
		seconds: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parley_rpc_server_completion_seconds", Help: "How long completions ran.", Buckets: durations})),
	}
}

func (m *serverMetrics) ended(kind chat.Kind) { m.ends.WithLabelValues(kind.String()).Inc() }

func (m *serverMetrics) took(start time.Time, err error) {
	m.seconds.Observe(time.Since(start).Seconds())
	m.ends.WithLabelValues(outcome(err)).Inc()
}

type clientMetrics struct {
	ends    *prometheus.CounterVec
	usable  prometheus.Gauge
	known   prometheus.Gauge
	ejected prometheus.Counter
	first   prometheus.Histogram
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	return &clientMetrics{
		ends: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_rpc_client_completions_total", Help: "Completions asked for, by outcome: ok or a kind of error."}, []string{"outcome"})),
		usable: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_rpc_client_servers_up", Help: "Instances that new turns may go to."})),
		known: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_rpc_client_servers", Help: "Instances known."})),
		ejected: register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_rpc_client_ejections_total", Help: "How often an instance was found dead, hung or leaving."})),
		first: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parley_rpc_client_first_text_seconds", Help: "Time from asking for a completion to its first text: a piece, or the whole if no pieces were asked for.", Buckets: durations})),
	}
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return chat.KindOf(err).String()
}
