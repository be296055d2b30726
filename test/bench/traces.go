package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"parley/test/figures"
	"parley/test/rig"
)

// traces compares what messages cost with and without a collector, which takes whatever it gets. Both ways take turns, each time with processes of
// their own. How fast the machine is changes by the minute: so cost is counted in that of Redis and the model meanwhile, which know nothing of traces.
type traces struct {
	messages
	Share float64       `json:"share_kept"`
	Turns int           `json:"turns_of_each_way"`
	Slice time.Duration `json:"slice_ns"`
}

type tracesResult struct {
	traces
	Without weighed      `json:"without"`
	With    weighed      `json:"with"`
	Each    float64      `json:"client_and_server_percent"`
	Chain   float64      `json:"chain_percent"`
	Spans   int64        `json:"spans"`
	Asked   ledgerCounts `json:"ledger"`
	Ledger  string       `json:"ledger_text"`
}

// weighed is what messages cost in units of what they cost Redis and the model.
type weighed struct {
	Messages int                `json:"messages"`
	CPU      map[string]float64 `json:"cpu_us_per_message"`
	Each     float64            `json:"client_and_server"`
	Chain    float64            `json:"chain"`
}

func (w *weighed) add(m *messagesResult) {
	if w.CPU == nil {
		w.CPU = map[string]float64{}
	}
	all := float64(w.Messages + m.Messages)
	for name, cpu := range m.CPU {
		w.CPU[name] = (w.CPU[name]*float64(w.Messages) + cpu*float64(m.Messages)) / all
	}
	w.Messages += m.Messages
	unit := w.CPU["redis"] + w.CPU["model (simulated)"]
	w.Each, w.Chain = (w.CPU["client"]+w.CPU["server"])/unit, chain(w.CPU)/unit
}

func (b traces) run(ctx context.Context, all bench, r *report) (*tracesResult, error) {
	var got sink
	endpoint, closer, err := got.serve()
	if err != nil {
		return nil, err
	}
	defer closer()
	res := &tracesResult{traces: b}
	b.messages.For, b.Fsync = b.Slice, "always"
	for i := range 2 * b.Turns {
		to, w := "", &res.Without
		if i%2 == 1 {
			to, w = endpoint, &res.With
		}
		o := rig.Options{Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + to, "OTEL_TRACES_SAMPLER=", fmt.Sprintf("OTEL_TRACES_SAMPLER_ARG=%g", b.Share)}}
		err := keepWith(ctx, all, r, o, b.messages.run, func(m *messagesResult) {
			w.add(m)
			res.Asked.add(m.Asked)
			if m.Asked.Faults > 0 {
				res.Ledger += m.Ledger
			}
		})
		if err != nil {
			return nil, err
		}
	}
	res.Each, res.Chain = 100*(res.With.Each/res.Without.Each-1), 100*(res.With.Chain/res.Without.Chain-1)
	if res.Spans = got.spans.Load(); res.Spans == 0 && b.Share > 0 {
		return nil, fmt.Errorf("no span of %d messages came to the collector", res.With.Messages)
	}
	return res, nil
}

func (t *tracesResult) rows(sh *figures.Sheet) {
	sh.Titlef("traces: as messages, without a collector and with one that gets %g of the turns, in turns of %s", t.Share, t.Slice)
	t.Asked.row(sh)
	for _, way := range []struct {
		name string
		weighed
	}{{"without", t.Without}, {"with", t.With}} {
		sh.Row(way.name, "client and server %.0f, Redis and model %.0f µs a message: %.4f to 1 (n %d)", way.CPU["client"]+way.CPU["server"],
			way.CPU["redis"]+way.CPU["model (simulated)"], way.Each, way.Messages)
	}
	sh.Row("more CPU of client and server", "%+.1f %%; with Redis %+.1f %%", t.Each, t.Chain)
	sh.Row("spans that came", "%d", t.Spans)
	t.Asked.text(sh, t.Ledger)
}

// flags declares the sizes that are not those of messages.
func (b *traces) flags() {
	flag.Float64Var(&b.Share, "share", 0.1, "traces: which part of the turns is kept, 0 to 1")
	flag.IntVar(&b.Turns, "trace-turns", 3, "traces: how often each way is measured")
	flag.DurationVar(&b.Slice, "trace-for", 30*time.Second, "traces: how long each time")
}

func (b *traces) wrong() bool {
	return b.Share < 0 || b.Share > 1 || b.Turns < 1 || b.Slice < time.Second
}

// sink is an OTLP collector that counts.
type sink struct {
	collector.UnimplementedTraceServiceServer
	spans atomic.Int64
}

// serve gives the endpoint, until closer is called.
func (s *sink) serve() (endpoint string, closer func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	g := grpc.NewServer()
	collector.RegisterTraceServiceServer(g, s)
	go func() { _ = g.Serve(l) }()
	return "http://" + l.Addr().String(), g.Stop, nil
}

// Export implements OTLP's TraceService.
func (s *sink) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	for _, r := range in.GetResourceSpans() {
		for _, scope := range r.GetScopeSpans() {
			s.spans.Add(int64(len(scope.GetSpans())))
		}
	}
	return new(collector.ExportTraceServiceResponse), nil
}
