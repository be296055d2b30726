package bot

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
)

// metrics are those of one channel.
type metrics struct {
	connected prometheus.Gauge
	evicted   prometheus.Counter
	unstored  prometheus.Counter
	ambiguous prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, tenant, name string) *metrics {
	labels := []string{"tenant", "channel"}
	counter := func(metric, help string) prometheus.Counter {
		return channel.SharedCollector(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: metric, Help: help}, labels)).WithLabelValues(tenant, name)
	}
	return &metrics{
		connected: channel.SharedCollector(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_wecombot_connected", Help: "Whether this process holds the bot's connection (stream mode).",
		}, labels)).WithLabelValues(tenant, name),
		evicted:  counter("parley_wecombot_evicted_total", "Connections that the platform ended because another program connected as the same bot."),
		unstored: counter("parley_wecombot_unstored_total", "Messages of stream mode that could not be stored; their senders were told."),
		ambiguous: counter("parley_wecombot_ambiguous_total",
			"Answers of stream mode that may or may not have been shown, and cannot be sent again without being shown twice."),
	}
}
