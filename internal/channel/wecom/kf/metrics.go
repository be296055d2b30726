package kf

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
)

// What became of what customers wrote, as the metric has it.
const (
	taken      = "accepted"
	leftAlone  = "human"      // a human serves the session, or it has ended
	leftOut    = "old"        // from before the account was connected, or nobody waits for it any more
	unreadable = "unreadable" // or refused by the store for ever
)

// metrics are those of one channel.
type metrics struct {
	messages    *prometheus.CounterVec // by result
	failures    prometheus.Counter
	undelivered prometheus.Counter
	cuts        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, tenant, name string) *metrics {
	labels := []string{"tenant", "channel"}
	counter := func(metric, help string) prometheus.Counter {
		return channel.SharedCollector(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: metric, Help: help}, labels)).WithLabelValues(tenant, name)
	}
	messages := channel.SharedCollector(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_wecomkf_messages_total", Help: "Messages of customers that were fetched, by what became of them; fetched again, they count again.",
	}, append(labels, "result")))
	return &metrics{
		messages:    messages.MustCurryWith(prometheus.Labels{"tenant": tenant, "channel": name}),
		failures:    counter("parley_wecomkf_fetch_failures_total", "Tries to fetch customers' messages that failed and are made again."),
		undelivered: counter("parley_wecomkf_undelivered_total", "Replies that the platform took and did not bring to the customer."),
		cuts:        counter("parley_wecomkf_cut_replies_total", "Replies that were cut after the five messages that the platform lets through."),
	}
}
