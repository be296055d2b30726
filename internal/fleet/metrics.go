package fleet

import "github.com/prometheus/client_golang/prometheus"

// metrics tell how keys are kept.
type metrics struct {
	holds, waiting           prometheus.Gauge
	changes, alone, restLost prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		holds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_fleet_holds", Help: "Calls with limited keys that this server counts: of all servers for the keys that it keeps, and its own that are counted alone."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parley_fleet_waiting", Help: "Calls that wait at this server for a key."}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_fleet_keeper_changes_total", Help: "How often the servers that keep keys changed, as this one sees it."}),
		alone: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_fleet_alone_total", Help: "Calls that were counted in this server alone, against its share of a key's limit, because the key's keeper could not be asked."}),
		restLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parley_fleet_rests_lost_total", Help: "Times that another server could not be told that a key rests."}),
	}
	for _, c := range []prometheus.Collector{m.holds, m.waiting, m.changes, m.alone, m.restLost} {
		_ = reg.Register(c) // one that is there already belongs to an earlier life in the same process, as tests have
	}
	return m
}
