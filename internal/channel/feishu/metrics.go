package feishu

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
)

// metrics are those of one channel.
type metrics struct {
	replaced  prometheus.Counter
	unquoted  prometheus.Counter
	connected prometheus.Gauge
	connects  prometheus.Counter
	unstored  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, tenant, name string) *metrics {
	labels := []string{"tenant", "channel"}
	counter := func(metric, help string) prometheus.Counter {
		return channel.SharedCollector(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: metric, Help: help}, labels)).WithLabelValues(tenant, name)
	}
	return &metrics{
		replaced: counter("parley_feishu_cards_replaced_total", "Replies that went out as messages of their own because the platform refused their card."),
		unquoted: counter("parley_feishu_unquoted_total", "Messages whose quoted message could not be had in time; they were answered without."),
		connected: channel.SharedCollector(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_feishu_connected", Help: "Connections that this process holds in mode stream.",
		}, labels)).WithLabelValues(tenant, name),
		connects: counter("parley_feishu_connects_total", "Connections opened in mode stream."),
		unstored: counter("parley_feishu_unstored_total", "Events of mode stream that could not be stored in time and were left to the platform to send again."),
	}
}
