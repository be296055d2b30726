package channel

import "github.com/prometheus/client_golang/prometheus"

// unknownKind labels requests whose path names no channel; the path itself, a stranger's choice, is never a label.
const unknownKind = "unknown"

type frontMetrics struct {
	accepted *prometheus.CounterVec
	refused  *prometheus.CounterVec
	away     prometheus.Counter
	ack      *prometheus.HistogramVec
}

func newFrontMetrics(reg prometheus.Registerer) *frontMetrics {
	m := &frontMetrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_callback_accepted_total", Help: "Deliveries answered 200, duplicates included.",
		}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_callback_refused_total", Help: "Deliveries and address verifications refused, by reason.",
		}, []string{"kind", "reason"}),
		away: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_callback_unavailable_total", Help: "Deliveries answered 503, whatever the reason: the platform delivers them again.",
		}),
		ack: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_callback_ack_seconds", Help: "From a delivery's first byte to its 200.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}, []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.accepted, m.refused, m.away, m.ack)
	}
	return m
}
