package liveconfig

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxNamed is how many documents a process tells all of: a process that serves a thousand tenants tells of the rest only what is wrong with them.
const maxNamed = 100

// Metrics tell for each document which form is in force, since when, and whether something is wrong with it. A process makes them once.
// nil: no metrics.
type Metrics struct {
	info    *prometheus.GaugeVec
	refused *prometheus.GaugeVec
	missing *prometheus.GaugeVec
	changed *prometheus.GaugeVec

	mu    sync.Mutex
	named map[string]bool
}

// NewMetrics registers the metrics of this package; it panics if that was done before, as prometheus does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append([]string{"document"}, labels...))
		reg.MustRegister(g)
		return g
	}
	return &Metrics{
		info: gauge("parley_document_info", "1 for the revision of a live document that is in force; a document has one series at most.",
			"revision"),
		refused: gauge("parley_document_refused", "1 while the newest form of a live document is faulty and an older one stays in force."),
		missing: gauge("parley_document_missing", "1 while a live document that is needed does not exist."),
		named:   map[string]bool{},
		changed: gauge("parley_document_changed_timestamp_seconds", "When the form of a live document that is in force was taken over."),
	}
}

// set shows h after was. A document that may be absent is not missing before it existed.
func (m *Metrics) set(was, h Health, optional bool) {
	if m == nil {
		return
	}
	refused, missing := flag(h.Refused != nil), flag(h.Missing && !(optional && h.Revision == ""))
	if !m.name(h.Name) {
		tellOf(m.refused, h.Name, refused)
		tellOf(m.missing, h.Name, missing)
		return
	}
	if was.Revision != h.Revision { // else one series a change would stay for as long as the process runs
		m.info.DeleteLabelValues(h.Name, was.Revision)
	}
	if h.Revision != "" {
		m.info.WithLabelValues(h.Name, h.Revision).Set(1)
	}
	m.refused.WithLabelValues(h.Name).Set(refused)
	m.missing.WithLabelValues(h.Name).Set(missing)
	if !h.Since.IsZero() {
		m.changed.WithLabelValues(h.Name).Set(float64(h.Since.UnixMilli()) / 1000)
	}
}

func (m *Metrics) forget(name string) {
	if m == nil {
		return
	}
	for _, g := range []*prometheus.GaugeVec{m.refused, m.missing, m.changed} {
		g.DeleteLabelValues(name)
	}
	m.info.DeletePartialMatch(prometheus.Labels{"document": name})
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.named, name)
}

// name reports whether all is told of a document.
func (m *Metrics) name(document string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.named) < maxNamed {
		m.named[document] = true
	}
	return m.named[document]
}

// tellOf has a series only while it says something.
func tellOf(g *prometheus.GaugeVec, document string, v float64) {
	if v == 0 {
		g.DeleteLabelValues(document)
		return
	}
	g.WithLabelValues(document).Set(v)
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
