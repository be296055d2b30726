// Package telemetry holds what every part of Parley logs and measures with: a slog logger per process and a Prometheus registry.
// Message text, secrets and user ids never go into either; label values come from configured sets only.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Telemetry is handed to constructors; it is safe for concurrent use.
type Telemetry struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Trace   *Tracer // nil: no traces
}

// New makes the telemetry of one process: JSON lines to w, or readable text if text is set, from level on.
func New(w io.Writer, text bool, level slog.Level) *Telemetry {
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if text {
		h = slog.NewTextHandler(w, opts)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Telemetry{Log: slog.New(h), Metrics: reg}
}

// Discard is for tests that assert nothing about logs.
func Discard() *Telemetry { return New(io.Discard, true, slog.LevelError+1) }
