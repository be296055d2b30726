package telemetry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"parley/internal/chat"
)

// kept is a collector that keeps what it gets, or fails, or hangs until its context ends.
type kept struct {
	spans []sdktrace.ReadOnlySpan
	err   error
	hang  bool
}

func (k *kept) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if k.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	k.spans = append(k.spans, spans...)
	return k.err
}

func (k *kept) Shutdown(context.Context) error { return nil }

func TestSpans(t *testing.T) {
	out := new(kept)
	tr := TracerTo(out, nil)
	ctx, root := tr.Start(t.Context(), "callback", Server)
	parent := tr.Traceparent(ctx)
	root.End(nil)
	later := tr.Continue(context.Background(), parent) // in another process, after a while
	tr.Past(later, "mailbox", time.Now(), time.Now().Add(-time.Second))
	_, turn := tr.Start(later, "turn", Consumer)
	turn.Set(Int("parley.attempt", 2))
	turn.End(chat.E(chat.Billing, "op", errors.New("a text that somebody wrote")))
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if len(out.spans) != 3 {
		t.Fatalf("%d spans", len(out.spans))
	}
	for _, s := range out.spans {
		if s.SpanContext().TraceID().String() != Kept(parent) {
			t.Errorf("%s is in another trace", s.Name())
		}
		if s.EndTime().Sub(s.StartTime()) < time.Microsecond {
			t.Errorf("%s lasted %v: SkyWalking refuses it", s.Name(), s.EndTime().Sub(s.StartTime()))
		}
	}
	last := out.spans[2]
	if last.Parent().SpanID() != out.spans[0].SpanContext().SpanID() || last.Status().Description != "billing" || strings.Contains(last.Status().Description, "wrote") {
		t.Errorf("%s: parent %s, status %+v", last.Name(), last.Parent().SpanID(), last.Status())
	}
}

// TestLeftOut: whoever goes on with a trace that was left out leaves it out, too, in other processes as well.
func TestLeftOut(t *testing.T) {
	out := new(kept)
	first := TracerTo(new(kept), nil, sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx, root := first.Start(t.Context(), "callback", Server)
	parent := first.Traceparent(ctx)
	root.End(nil)
	next := TracerTo(out, nil)
	for _, parent := range []string{parent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"} {
		later := next.Continue(context.Background(), parent)
		next.Past(later, "mailbox", time.Now(), time.Now())
		in, turn := next.Start(later, "turn", Consumer)
		if turn.On() || Kept(next.Traceparent(in)) != "" || next.Traceparent(in) == "" {
			t.Errorf("%s: on %v, goes on as %q", parent, turn.On(), next.Traceparent(in))
		}
		turn.Set(Int("parley.attempt", 1))
		turn.End(nil)
	}
	if n := testing.AllocsPerRun(100, func() { // each span of a turn within it
		_, s := next.Start(ctx, "send", Client)
		s.End(nil)
		_ = next.Traceparent(ctx)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	for _, parent := range []string{parent, leftOut} { // a sampler that asks for each span has its own opinion
		alone := TracerTo(out, nil, sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.999)))
		alone.alone = true
		_, s := alone.Start(alone.Continue(context.Background(), parent), "turn", Consumer)
		if s.On() {
			t.Errorf("%s is kept, as a thousand others of the same id would be", parent)
		}
		s.End(nil)
		_ = alone.Close()
	}
	_, _ = first.Close(), next.Close()
	if len(out.spans) > 0 {
		t.Errorf("%d spans of traces that were left out", len(out.spans))
	}
}

// TestNoTracer: a nil tracer does nothing anywhere, and allocates nothing.
func TestNoTracer(t *testing.T) {
	var tr *Tracer
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		in, s := tr.Start(ctx, "turn", Internal)
		tr.Past(in, "mailbox", time.Time{}, time.Time{})
		if s.On() || tr.Traceparent(tr.Continue(in, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")) != "" {
			t.Error("it does something")
		}
		s.End(nil)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

// TestCollectorAway: one that hangs or refuses costs spans, which are counted, and no time.
func TestCollectorAway(t *testing.T) {
	for name, out := range map[string]*kept{"hangs": {hang: true}, "refuses": {err: errors.New("no")}} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			tr := TracerTo(out, reg)
			began := time.Now()
			const spans = 3 * spoolSize
			for range spans {
				_, s := tr.Start(t.Context(), "turn", Internal)
				s.End(nil)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%d spans took %v", spans, took)
			}
			began = time.Now()
			_ = tr.Close()
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the end took %v", took)
			}
			if out.hang { // what was in the spool or under way was not refused
				if n := testutil.ToFloat64(dropsOf(t, reg, "full")); n < spans-spoolSize-2*batchSize {
					t.Errorf("%v spans counted as dropped, of %d", n, spans)
				}
			} else if failed, full := testutil.ToFloat64(dropsOf(t, reg, "failed")), testutil.ToFloat64(dropsOf(t, reg, "full")); failed+full != spans {
				t.Errorf("%v failed and %v dropped, of %d", failed, full, spans)
			}
		})
	}
}

// dropsOf reads a counter back as a collector of its own.
func dropsOf(t *testing.T, reg *prometheus.Registry, reason string) prometheus.Collector {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "parley_trace_spans_dropped_total" && m.GetLabel()[0].GetValue() == reason {
				g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"})
				g.Set(m.GetCounter().GetValue())
				return g
			}
		}
	}
	t.Fatal("no such counter")
	return nil
}

func TestTracerByEnvironment(t *testing.T) {
	for _, name := range []string{"OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"} {
		t.Setenv(name, "")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a collector that never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := func() (*Tracer, error) { return NewTracer(t.Context(), "parley-test", "v1", prometheus.NewRegistry()) }
	if tr, err := open(); tr != nil || err != nil {
		t.Error("nobody asked for traces:", tr, err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	began := time.Now()
	tr, err := open()
	if err != nil || tr == nil {
		t.Fatal(err)
	}
	_, s := tr.Start(t.Context(), "turn", Internal)
	s.End(nil)
	_ = tr.Close()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("start and end took %v with a silent collector", took)
	}
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_TRACES_SAMPLER_ARG": "10%", "OTEL_TRACES_SAMPLER": "some"} {
		t.Setenv(name, value)
		if _, err := open(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
		t.Setenv(name, "")
	}
	for _, bad := range []string{"collector:4317", "10.0.0.1:4317", "grpc://collector:4317"} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", bad)
		if _, err := open(); err == nil || !strings.Contains(err.Error(), "http://") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc") // which wins
	t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")        // without a share: Parley's own
	tr, err = open()
	if err != nil {
		t.Fatal(err)
	}
	sampled := 0
	for range 2000 {
		_, s := tr.Start(t.Context(), "turn", Internal)
		if s.On() {
			sampled++
		}
		s.End(nil)
	}
	_ = tr.Close()
	if sampled < 100 || sampled > 400 {
		t.Errorf("%d of 2000 traces are kept, want a tenth", sampled)
	}
	t.Setenv("OTEL_SDK_DISABLED", "True")
	if tr, err := open(); tr != nil || err != nil {
		t.Error("disabled:", tr, err)
	}
}

// TestOverHTTP: a collector that takes OTLP over HTTP alone gets the spans, with the headers that it asks for.
func TestOverHTTP(t *testing.T) {
	var mu sync.Mutex
	var names []string
	c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, &batch)); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Basic abc" {
			t.Errorf("%s %v %v", r.URL, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range batch.GetResourceSpans() {
			for _, in := range of.GetScopeSpans() {
				for _, s := range in.GetSpans() {
					names = append(names, s.GetName())
				}
			}
		}
	}))
	defer c.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
	reg := prometheus.NewRegistry()
	tr, err := NewTracer(t.Context(), "parley-test", "v1", reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accept", "turn"} {
		_, s := tr.Start(t.Context(), name, Internal)
		s.End(nil)
	}
	if err := errors.Join(tr.provider.ForceFlush(t.Context()), tr.Close()); err != nil { // Close alone gives up after three seconds
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(names, []string{"accept", "turn"}) {
		t.Errorf("the collector got %q", names)
	}
}

func BenchmarkSpan(b *testing.B) {
	kept := TracerTo(new(kept), nil)
	never := TracerTo(new(discarding), nil, sdktrace.WithSampler(sdktrace.NeverSample()))
	for name, tr := range map[string]*Tracer{"off": nil, "left out": never, "kept": TracerTo(new(discarding), nil)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				ctx, s := tr.Start(b.Context(), "turn", Internal)
				if s.On() {
					s.Set(String("parley.tenant", "acme"), Int("parley.attempt", 1))
				}
				_ = ctx
				s.End(nil)
			}
		})
	}
	b.Run("within one left out", func(b *testing.B) {
		b.ReportAllocs()
		ctx, root := never.Start(b.Context(), "callback", Server)
		for range b.N {
			_, s := never.Start(ctx, "turn", Internal)
			s.End(nil)
		}
		root.End(nil)
	})
	_ = kept.Close()
}

// discarding is a collector that takes everything at once.
type discarding struct{}

func (*discarding) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (*discarding) Shutdown(context.Context) error                             { return nil }
