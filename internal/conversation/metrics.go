package conversation

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

type metrics struct {
	codes       bounded
	tenants     bounded
	accepted    *prometheus.CounterVec // tenant, result
	turns       *prometheus.CounterVec // tenant, result
	sends       *prometheus.CounterVec // tenant, result
	sendErrors  *prometheus.CounterVec // tenant, kind, code
	shows       *prometheus.CounterVec // tenant, channel, result
	tokens      *prometheus.CounterVec // tenant, direction, source
	caps        *prometheus.CounterVec // tenant, scope
	moderated   *prometheus.CounterVec // tenant, direction, by, result
	places      *prometheus.CounterVec // tenant, reason
	queued      *prometheus.GaugeVec   // tenant
	outside     *prometheus.GaugeVec   // tenant
	unaccounted *prometheus.CounterVec // tenant
	storeErrors *prometheus.CounterVec // step
	steps       *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	most        prometheus.Gauge
	reaped      prometheus.Counter
	lost        prometheus.Counter
	fenced      prometheus.Counter
	unread      prometheus.Counter
	ambiguous   *prometheus.CounterVec // tenant
	waiting     *prometheus.GaugeVec   // tenant
	ready       *prometheus.GaugeVec
	oldest      *prometheus.GaugeVec
	standing    *prometheus.GaugeVec
	dead        *prometheus.GaugeVec

	postponed     *prometheus.GaugeVec   // tenant
	postponements *prometheus.CounterVec // tenant, channel, reason
	paced         *prometheus.CounterVec // tenant, channel
	blocked       *prometheus.GaugeVec   // tenant, channel, code
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"tenant"})
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		codes: bounded{most: maxCodes}, tenants: bounded{most: maxTenants},
		accepted:   counter("parley_messages_accepted_total", "Messages by what became of them: stored, merged (into one that waited), duplicate, ignored, shed_busy, shed_rate, failed.", "tenant", "result"),
		turns:      counter("parley_turns_total", "Finished turns by outcome: answered, command, or why not.", "tenant", "result"),
		sends:      counter("parley_parts_total", "Parts of replies by what became of them: sent, ambiguous, undeliverable, given_up.", "tenant", "result"),
		sendErrors: counter("parley_send_errors_total", "Failed tries to send a part, by kind and the platform's own code.", "tenant", "kind", "code"),
		shows: counter("parley_shows_total", "Updates of partial text that a platform was asked to show: shown, or why not.",
			"tenant", "channel", "result"),
		tokens: counter("parley_tokens_total", "Tokens by source: provider (as it reported them) or estimate (it did not).", "tenant", "direction", "source"),
		caps:   counter("parley_caps_reached_total", "Messages answered with a text because the day's tokens are spent, by scope: tenant or user.", "tenant", "scope"),
		moderated: counter("parley_moderation_total", "Texts that were judged, by whom (words, hook) and what became of them: allowed, refused, replaced, failed_open, failed_closed.",
			"tenant", "direction", "by", "result"),
		places: counter("parley_place_waits_total",
			"Pauses of turns that wait, by what for: keys (all at their limit), no_server, full_server, budget (held by turns in flight).", "tenant", "reason"),
		queued: gauge("parley_turns_queued", "Turns of this process that wait for a free place."),
		outside: gauge("parley_turns_blocked",
			"Of those that wait for a free place, turns that no further process would answer sooner: their provider's keys are at their limit, or the day's budget is held."),
		unaccounted: counter("parley_tokens_unaccounted_total", "Tokens that could not be written to the usage.", "tenant"),
		storeErrors: counter("parley_store_errors_total", "Steps of the store that failed or timed out.", "step"),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_step_seconds", Help: "Duration of each step of a turn.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 180},
		}, []string{"step"}),
		inFlight:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_turns_in_flight", Help: "Conversations that this process owns."}),
		most:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_turns_limit", Help: "Conversations that this process owns at most (limits.turns)."}),
		reaped:    one("parley_reaped_total", "Conversations taken over from dead owners."),
		lost:      one("parley_leases_lost_total", "Turns dropped because this process's lease had ended."),
		unread:    one("parley_unreadable_total", "Claims of conversations that hold what this release cannot read; they are left for a while each time."),
		fenced:    one("parley_fenced_total", "Steps refused because the conversation had another owner."),
		ambiguous: counter("parley_ambiguous_sends_total", "Parts that may or may not have been shown and were not sent again.", "tenant"),
		waiting:   gauge("parley_waiting", "Messages accepted and not yet answered, over all replicas."),
		ready:     gauge("parley_ready", "Conversations with a message that nobody works on, over all replicas."),
		oldest:    gauge("parley_oldest_waiting_seconds", "Age of the conversation that waits longest for a worker."),
		standing:  gauge("parley_oldest_queued_seconds", "Age of the oldest message that has a worker in this process and waits for a server, a key or room."),
		dead:      gauge("parley_dead_letters", "Messages given up after their attempts."),

		postponed: gauge("parley_replies_postponed", "Conversations whose reply waits for its next try, over all replicas."),
		postponements: counter("parley_postponements_total",
			"Replies that were to wait for their next try, by why: blocked (their channel refuses all), failed.", "tenant", "channel", "reason"),
		paced: counter("parley_pace_wait_seconds_total", "Time that parts waited because their platform takes only so many from one conversation.",
			"tenant", "channel"),
		blocked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_channel_blocked", Help: "1 while a channel's platform refuses all that this process sends, by the platform's code.",
		}, []string{"tenant", "channel", "code"}),
	}
	if reg != nil {
		reg.MustRegister(m.accepted, m.turns, m.sends, m.sendErrors, m.shows, m.tokens, m.storeErrors, m.steps, m.inFlight, m.most, m.reaped, m.lost,
			m.fenced, m.unread, m.ambiguous, m.caps, m.moderated, m.places, m.queued, m.outside, m.unaccounted, m.waiting, m.ready, m.oldest, m.standing, m.dead,
			m.postponed, m.postponements, m.paced, m.blocked)
	}
	return m
}

func (m *metrics) step(name string, began time.Time) {
	m.steps.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// spent counts what calls to providers cost.
func (m *metrics) spent(tenant string, spent []chat.Spend) {
	for i, t := range Itemize(spent) {
		source := "provider"
		if i.Estimated {
			source = "estimate"
		}
		m.tokens.WithLabelValues(m.tenant(tenant), "input", source).Add(float64(t.Input))
		m.tokens.WithLabelValues(m.tenant(tenant), "output", source).Add(float64(t.Output))
	}
}
