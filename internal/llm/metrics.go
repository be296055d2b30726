package llm

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/route"
)

// metrics of calls to providers. The labels provider and model come from the operator's documents, outcome from the kinds of error:
// nothing that a person or a provider writes becomes a label.
type metrics struct {
	requests  *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	first     *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec
	fallbacks *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	who := []string{"provider", "model"}
	buckets := prometheus.ExponentialBuckets(0.05, 2, 13) // 50 ms to 205 s
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_requests_total",
			Help: "Calls to providers by outcome: ok, or the kind of the error."}, append(who, "outcome")),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_tokens_total",
			Help: "Tokens of complete answers. source: provider, or estimated where it gave none."}, append(who, "direction", "source")),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "parley_llm_first_token_seconds",
			Help: "From the call to the first text.", Buckets: buckets}, who),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "parley_llm_duration_seconds",
			Help: "Whole calls, complete or not.", Buckets: buckets}, who),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "parley_llm_in_flight",
			Help: "Calls running now."}, []string{"provider"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_fallbacks_total",
			Help: "Turns that went on to the next choice after an error of this provider."}, []string{"provider", "reason"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.tokens, m.first, m.duration, m.inFlight, m.fallbacks} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) ended(c route.Choice, began time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = chat.KindOf(err).String()
	}
	m.requests.WithLabelValues(c.Provider.Name, c.Model, outcome).Inc()
	m.duration.WithLabelValues(c.Provider.Name, c.Model).Observe(time.Since(began).Seconds())
}

func (m *metrics) used(c route.Choice, u chat.Usage) {
	source := "provider"
	if u.Estimated {
		source = "estimated"
	}
	m.tokens.WithLabelValues(c.Provider.Name, c.Model, "input", source).Add(float64(u.Input))
	m.tokens.WithLabelValues(c.Provider.Name, c.Model, "output", source).Add(float64(u.Output))
}
