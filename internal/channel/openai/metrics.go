package openai

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	first    prometheus.Histogram
	running  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_api_requests_total", Help: "Requests at /v1/ by the status answered; an answer that broke off counts as 599. No tenant: its key is not known.",
		}, []string{"tenant", "status"}),
		first: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "parley_api_first_text_seconds", Help: "From a request's first byte to the first text of its answer, or to all of it without streaming.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 60, 180},
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_api_in_flight", Help: "Completions that this process answers at /v1/."}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.first, m.running)
	}
	return m
}

// broken counts as the status of an answer whose head had gone when it failed.
const broken = 599

func (m *metrics) answered(tenant string, status int) {
	m.requests.WithLabelValues(tenant, strconv.Itoa(status)).Inc()
}
