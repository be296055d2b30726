package dingtalk

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
)

// metrics are those of one channel.
type metrics struct {
	reused     prometheus.Counter
	plainCards prometheus.Counter
	connected  prometheus.Gauge
	connects   prometheus.Counter
	unstored   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, tenant, name string) *metrics {
	labels := []string{"tenant", "channel"}
	counter := func(metric, help string) prometheus.Counter {
		return channel.SharedCollector(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: metric, Help: help}, labels)).WithLabelValues(tenant, name)
	}
	return &metrics{
		reused:     counter("parley_dingtalk_signatures_reused_total", "Callbacks whose signature came before with another body: two messages of one millisecond, or a replay."),
		plainCards: counter("parley_dingtalk_cards_replaced_total", "Replies that went out as plain messages because the platform refused their card."),
		connected: channel.SharedCollector(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_dingtalk_connected", Help: "Connections that this process holds in Stream mode.",
		}, labels)).WithLabelValues(tenant, name),
		connects: counter("parley_dingtalk_connects_total", "Connections opened in Stream mode."),
		unstored: counter("parley_dingtalk_unstored_total", "Messages of Stream mode that could not be stored and were left to the platform to send again."),
	}
}
