package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// date notes since when each switch is in force here; the caller holds mu.
func (l *switchLog) date(now time.Time) {
	for id := range l.since {
		if _, on := l.active[id]; !on {
			delete(l.since, id)
		}
	}
	for id := range l.active {
		if _, known := l.since[id]; !known {
			l.since[id] = now
		}
	}
}

func (*switchLog) count() *prometheus.Desc {
	return prometheus.NewDesc("parley_switches_active", "Degradation switches that are in force on this server.", nil, nil)
}

func (*switchLog) began() *prometheus.Desc {
	return prometheus.NewDesc("parley_switch_active_since_timestamp_seconds",
		"Since when a degradation switch has been in force on this server, at most since its start; absent: it is not.", []string{"switch"}, nil)
}

// Describe implements [prometheus.Collector].
func (l *switchLog) Describe(ch chan<- *prometheus.Desc) {
	ch <- l.count()
	ch <- l.began()
}

// Collect implements [prometheus.Collector].
func (l *switchLog) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(l.count(), prometheus.GaugeValue, float64(len(l.since)))
	for id, at := range l.since {
		ch <- prometheus.MustNewConstMetric(l.began(), prometheus.GaugeValue, float64(at.UnixMilli())/1000, id)
	}
}
