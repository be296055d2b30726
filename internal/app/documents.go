package app

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/snapshot"
	"parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/rpc"
	"parley/internal/secret"
)

// snapshotAfter is how long Nacos may take at a start before what was kept of it is used.
const snapshotAfter = 5 * time.Second

// withSnapshot puts the folder for a start without Nacos behind a source, if there is one.
func withSnapshot(source liveconfig.Source, live config.Live, log *slog.Logger) (liveconfig.Source, error) {
	if live.Snapshot == "" {
		return source, nil
	}
	s, err := snapshot.New(source, filepath.Join(live.Snapshot, "documents"), snapshotAfter, log)
	if err != nil {
		return nil, fmt.Errorf("live.snapshot: %w", err)
	}
	return s, nil
}

// routesFor watches parley-routes as a server does: origins are judged and keys resolved.
func routesFor(src liveconfig.Source, outbound []string, secrets *secret.Store, log *slog.Logger, m *liveconfig.Metrics) *liveconfig.Value[*route.Table] {
	names := newKeyNames(secrets.Routes().Resolve, log)
	v := watchRoutes(src, log, m, route.Options{Outbound: outbound, Dialects: all.Names(), Resolve: names.resolve})
	v.Subscribe(names.take)
	return v
}

// readOnlyRoutes watches parley-routes as a client does, for the names of models and the deadlines.
func readOnlyRoutes(src liveconfig.Source, log *slog.Logger, m *liveconfig.Metrics) *liveconfig.Value[*route.Table] {
	return watchRoutes(src, log, m, route.Options{ReadOnly: true})
}

func watchRoutes(src liveconfig.Source, log *slog.Logger, m *liveconfig.Metrics, opt route.Options) *liveconfig.Value[*route.Table] {
	return liveconfig.New(liveconfig.Options[*route.Table]{
		Name: wire.RoutesDocument, Source: src, Log: log, Metrics: m,
		Decode: func(d liveconfig.Document) (*route.Table, error) {
			opt := opt
			opt.Source, opt.Revision = d.Name, d.Revision
			t, err := route.Parse(d.Content, opt)
			if err == nil {
				for _, w := range t.Warnings() {
					log.Warn("parley-routes", "warning", w)
				}
			}
			return t, err
		},
	})
}

// switches watches parley-degradation. While it has never existed there is no switch. Removing it restores nothing: the last good form stays
// in force and raises an alarm, because an emptied or wrong Nacos must not send everybody back to a provider that an operator has left;
// `parley restore`, active: false, or a document with `switches: []` restores. A server that starts after the removal knows no form and has no
// switch, so the alarm is to be mended, not waited out. A switch that leads nowhere in the routes in force is refused.
func switches(src liveconfig.Source, table func() *route.Table, taken *switchLog, log *slog.Logger, m *liveconfig.Metrics) *liveconfig.Value[*route.Degradation] {
	none := &route.Degradation{}
	v := liveconfig.New(liveconfig.Options[*route.Degradation]{
		Name: wire.DegradationDocument, Source: src, Absent: &none, Log: log, Metrics: m,
		Decode: func(d liveconfig.Document) (*route.Degradation, error) {
			sw, err := route.ParseDegradation(d.Content, d.Name, d.Revision)
			if t := table(); err == nil && t != nil {
				err = sw.Check(t, time.Now())
			}
			return sw, err
		},
	})
	v.Subscribe(taken.take)
	return v
}

// documentStates tells what is in force, for /readyz, Inspect and `parley status`.
func documentStates(healths ...liveconfig.Health) []rpc.Document {
	docs := make([]rpc.Document, 0, len(healths))
	for _, h := range healths {
		d := rpc.Document{Name: h.Name, Revision: h.Revision}
		if !h.Since.IsZero() {
			d.Since = h.Since.UnixMilli()
		}
		switch {
		case h.Refused != nil:
			d.Refused = h.Refused.Error()
		case !h.Stale.IsZero():
			d.Refused = "Nacos has not answered since the start; in force is the form that was kept here on " + h.Stale.UTC().Format(time.RFC3339)
		case h.Missing && h.Revision != "":
			d.Refused = "the document has disappeared; its last good form stays in force"
		}
		docs = append(docs, d)
	}
	return docs
}
