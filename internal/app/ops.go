package app

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness is what /readyz says: not ready until every part was once, nor when leaving; and what is wrong with documents in between.
type readiness struct {
	ready   atomic.Bool
	leaving atomic.Bool
	missing func() []string // parts that are not ready yet; asked until there are none
	state   func() any      // documents in force and refused, for the body
}

// opsHandler serves /healthz, /readyz and /metrics.
func opsHandler(reg *prometheus.Registry, r *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", r.serve)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

// closing has every answer of a process that leaves end its connection: a request sent on one that is closed while idle would be lost.
func (r *readiness) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) {
	var missing []string
	if !r.ready.Load() {
		if missing = r.missing(); len(missing) == 0 {
			r.ready.Store(true)
		}
	}
	if r.leaving.Load() {
		missing = append(missing, "leaving: this process was asked to end")
	}
	w.Header().Set("Content-Type", "application/json")
	if len(missing) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(missing) == 0, "missing": missing, "documents": r.state()})
}
