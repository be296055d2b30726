package llm

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

// mostRests bounds the rests that are told of a provider: an operator needs the first few, and answers stay small.
const mostRests = 20

// Providers tells how this server stands with every provider of the routes in force, by name; nil before any were loaded. Keys and their rests are
// the platform's; a tenant's own are known only while its turns run. It does not block.
func (s *Service) Providers() []chat.ProviderState {
	table, now := s.table(), time.Now()
	if table == nil {
		return nil
	}
	var list []chat.ProviderState
	for _, p := range table.Providers() {
		rests := s.keys.rests(p.Name, p.Keys)
		list = append(list, chat.ProviderState{
			Name: p.Name, Keys: len(p.Keys), Resting: len(rests), Concurrency: p.Concurrency,
			InFlight: s.keys.inFlight(p.Name), NeedsKey: p.NeedsKey, Open: s.clients.shut(table, p, now),
			Unresolved: p.Unresolved, Rests: rests[:min(len(rests), mostRests)],
		})
	}
	return list
}

// Rest makes a key rest that another server found not to be usable: key is its [KeyName], d at most an hour. After it one call goes through as a
// probe, as after a rest of this server's own. What is no KeyName, or no reason to rest, is ignored, as are rests beyond what
// a server remembers. It does not block, and does not tell the fleet.
func (s *Service) Rest(key string, d time.Duration, kind chat.Kind, code string) {
	s.keys.rest(key, d, kind, code)
}

// states gives what Providers knows to whoever scrapes.
type states struct{ *Service }

func (states) shut() *prometheus.Desc {
	return prometheus.NewDesc("parley_llm_breaker_open", "1 while the provider's breaker keeps turns away.", []string{"provider"}, nil)
}

func (states) resting() *prometheus.Desc {
	return prometheus.NewDesc("parley_llm_keys_resting", "Keys of the platform that are not to be used now.", []string{"provider"}, nil)
}

func (states) keys() *prometheus.Desc {
	return prometheus.NewDesc("parley_llm_keys", "Keys of the platform by whether their reference gave one: resolved, unresolved.", []string{"provider", "state"}, nil)
}

func (states) refused() *prometheus.Desc {
	return prometheus.NewDesc("parley_llm_keys_refused", "Keys of the platform that the provider took no more when they were last used: billing (out of money), unauthenticated.",
		[]string{"provider", "kind"}, nil)
}

// Describe implements [prometheus.Collector].
func (s states) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.shut(), s.resting(), s.keys(), s.refused()} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s states) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	table := s.table()
	if table == nil {
		return
	}
	now := time.Now()
	for _, p := range table.Providers() {
		open := 0
		if s.clients.shut(table, p, now) {
			open = 1
		}
		gauge(s.shut(), open, p.Name)
		gauge(s.resting(), len(s.Service.keys.rests(p.Name, p.Keys)), p.Name)
		gauge(s.keys(), len(p.Keys), p.Name, "resolved")
		gauge(s.keys(), p.Unresolved, p.Name, "unresolved")
		for _, kind := range []chat.Kind{chat.Billing, chat.Unauthenticated} {
			gauge(s.refused(), s.Service.keys.refusals(p.Name, p.Keys, kind, now), p.Name, kind.String())
		}
	}
}
