package llm

import (
	"slices"
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
	turns     *prometheus.CounterVec
	retries   *prometheus.CounterVec
	refused   *prometheus.CounterVec
	rests     *prometheus.CounterVec
	genai     genAI
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	who := []string{"provider", "model"}
	buckets := []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200}
	m := &metrics{
		genai: newGenAI(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_requests_total",
			Help: "Calls to providers by outcome: ok, or the kind of the error."}, append(who, "outcome")),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_tokens_total",
			Help: "Tokens of all calls, failed ones included. source: provider, or estimated where it gave none."}, append(who, "direction", "source")),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "parley_llm_first_token_seconds",
			Help: "From the call to the first text.", Buckets: buckets}, who),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "parley_llm_duration_seconds",
			Help: "Whole calls, complete or not.", Buckets: buckets}, who),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "parley_llm_in_flight",
			Help: "Calls running now."}, []string{"provider"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_fallbacks_total",
			Help: "Turns that went on to the next choice: after an error of this provider, past its breaker, or past keys at their limit."},
			[]string{"provider", "reason"}),
		turns: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_turns_total",
			Help: "Turns by who was called last and why: route, fallback (an error), overflow (keys at their limit), degradation (an operator). " +
				"outcome: ok, keys_busy (it waits), or the kind of the error."}, append(who, "via", "outcome")),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_retries_total",
			Help: "Further calls of a turn at a provider that it had called."}, []string{"provider"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_retries_refused_total",
			Help: "Retries that were not made, since the provider's retry budget was spent."}, []string{"provider"}),
		rests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_llm_key_rests_total",
			Help: "Keys that went to rest after an error of this kind. owner: platform or tenant."}, []string{"provider", "owner", "kind"}),
	}
	for _, c := range append(m.genai.collectors(), m.requests, m.tokens, m.first, m.duration, m.inFlight, m.fallbacks, m.turns, m.retries, m.refused, m.rests) {
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

// turn counts a turn by its end. One that nobody was called for counts for its first choice; one without a choice has neither provider nor model.
func (m *metrics) turn(t *turn, failure *chat.Error) {
	provider, model, via, outcome := "none", "none", "route", "ok"
	if t.last < len(t.tries) {
		x := &t.tries[t.last]
		provider, model = x.Provider.Name, x.Model
		switch {
		case t.overflown():
			via = "overflow"
		case t.last > 0:
			via = "fallback"
		case x.Switch != nil:
			via = "degradation"
		}
	}
	switch {
	case failure == nil:
	case isBusy(failure):
		outcome = chat.CodeKeysBusy
	default:
		outcome = failure.Kind.String()
	}
	m.turns.WithLabelValues(provider, model, via, outcome).Inc()
}

// overflown: the turn went past earlier choices only because their keys were at their limit. Nothing failed: capacity elsewhere was used.
func (t *turn) overflown() bool {
	failed := func(x try) bool { return !x.busy || x.called }
	return t.last > 0 && !slices.ContainsFunc(t.tries[:t.last], failed)
}
