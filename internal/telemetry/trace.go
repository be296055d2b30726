package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"parley/internal/chat"
)

// Tracer makes the spans of a process. A nil Tracer makes none, at no cost; so does one whose sampler left a trace out, at little. It is safe for
// concurrent use.
type Tracer struct {
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
	alone    bool              // its sampler asks for each span, and not only for the first of a trace
	nothing  trace.SpanContext // of leftOut
}

// leftOut goes on its way instead of the ids of a trace that was left out, which nobody can look up: a constant costs nothing to make, to write and
// to read. A sampler that asks by a trace's id leaves this one out, too.
const leftOut = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-00"

// Kinds of span, as OpenTelemetry has them.
const (
	Internal = trace.SpanKindInternal
	Server   = trace.SpanKindServer
	Client   = trace.SpanKindClient
	Consumer = trace.SpanKindConsumer
)

// share is which part of the traces is kept where neither OTEL_TRACES_SAMPLER nor its _ARG says: one in ten costs next to nothing, and shows every
// kind of trouble that is not rare.
const share = 0.1

// NewTracer makes the tracer that the environment asks for by OpenTelemetry's standard variables: none without OTEL_EXPORTER_OTLP_ENDPOINT (or
// …_TRACES_ENDPOINT), or with OTEL_SDK_DISABLED=true. Spans go out by OTLP over gRPC, or over HTTP where
// OTEL_EXPORTER_OTLP_PROTOCOL says http/protobuf. It does not wait for a collector: one that is away, or slow, costs spans and nothing else. Its
// errors name the variable to mend.
func NewTracer(ctx context.Context, service, version string, reg prometheus.Registerer) (*Tracer, error) {
	endpoint, variable := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")), "OTEL_EXPORTER_OTLP_ENDPOINT"
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || endpoint == "" {
		return nil, nil
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		variable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" { // the SDK would send elsewhere without a word
		return nil, fmt.Errorf("%s is no address that spans can go to; write it as in http://collector:4317, or https:// with TLS", variable)
	}
	kept := share
	if arg := os.Getenv("OTEL_TRACES_SAMPLER_ARG"); arg != "" {
		var err error
		if kept, err = strconv.ParseFloat(arg, 64); err != nil || kept < 0 || kept > 1 {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q; write the share of traces that are kept, from 0 to 1", arg)
		}
	}
	out, err := exporter(ctx)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	ratio := sdktrace.TraceIDRatioBased(kept)
	switch name := os.Getenv("OTEL_TRACES_SAMPLER"); name {
	case "always_on", "always_off", "parentbased_always_on", "parentbased_always_off": // the SDK's to read
	case "traceidratio": // without a share, or with an empty one, the SDK would take all
		options = append(options, sdktrace.WithSampler(ratio))
	case "", "parentbased_traceidratio":
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(ratio)))
	default: // it would take all
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER is %q; write parentbased_traceidratio, parentbased_always_on or parentbased_always_off, or leave it empty", name)
	}
	t := TracerTo(out, reg, options...)
	t.alone = slices.Contains([]string{"always_on", "traceidratio"}, os.Getenv("OTEL_TRACES_SAMPLER"))
	return t, nil
}

// exporter speaks the protocol that the environment names. Neither kind connects before there is a span; both read their endpoint themselves.
func exporter(ctx context.Context) (out sdktrace.SpanExporter, err error) {
	switch p := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "grpc"); p {
	case "grpc":
		out, err = otlptracegrpc.New(ctx)
	case "http/protobuf":
		out, err = otlptracehttp.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; write grpc, or http/protobuf, and an endpoint with the port that takes it (4317 and 4318 at most collectors)", p)
	}
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	return out, nil
}

// TracerTo is a tracer whose spans go to out; by default every trace is kept, and another sampler in options may decide of the first span of a trace
// only. Close it.
func TracerTo(out sdktrace.SpanExporter, reg prometheus.Registerer, options ...sdktrace.TracerProviderOption) *Tracer {
	p := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(newSpool(out, reg)))...)
	nothing := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": leftOut})
	return &Tracer{tracer: p.Tracer("parley"), provider: p, nothing: trace.SpanContextFromContext(nothing)}
}

// Close sends what is left, for three seconds at most.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// Start begins a span within that of ctx. It must be ended.
func (t *Tracer) Start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(ctx, name, kind, time.Time{})
}

// start begins a span at that time, or now if that is zero: for what is left out nobody looks at a clock.
func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind, at time.Time) (context.Context, Span) {
	if in := trace.SpanContextFromContext(ctx); in.IsValid() && !in.IsSampled() && !t.alone {
		return ctx, Span{}
	}
	if at.IsZero() {
		at = time.Now()
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at))
	return ctx, Span{s, at}
}

// Past makes a span of something that is over.
func (t *Tracer) Past(ctx context.Context, name string, from, to time.Time) {
	if t == nil {
		return
	}
	_, s := t.start(ctx, name, Internal, from)
	s.EndAt(to, nil)
}

// Continue is ctx within the trace of a W3C traceparent. One that is none, or a nil Tracer, leaves ctx as it is.
func (t *Tracer) Continue(ctx context.Context, traceparent string) context.Context {
	if t == nil || traceparent == "" {
		return ctx
	}
	if traceparent == leftOut {
		return trace.ContextWithRemoteSpanContext(ctx, t.nothing)
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// Traceparent is the W3C form of the span that ctx is in, without its ids if the trace was left out; empty: in none.
func (t *Tracer) Traceparent(ctx context.Context) string {
	if t == nil {
		return ""
	}
	if in := trace.SpanContextFromContext(ctx); in.IsValid() && !in.IsSampled() && !t.alone {
		return leftOut
	}
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, c)
	return c["traceparent"]
}

// Span is one step of a trace. The zero Span is none.
type Span struct {
	span  trace.Span
	began time.Time
}

// On reports whether what is set will be sent: whoever would compute something for it asks first.
func (s Span) On() bool { return s.span != nil && s.span.IsRecording() }

// Attr is an attribute of a span; String, Int, Bool and Seconds make some.
type Attr = attribute.KeyValue

// Set adds attributes; nothing that names a person, and no text of theirs.
func (s Span) Set(attributes ...Attr) {
	if s.span != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Name changes the span's name, which was given before all was known.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// End ends the span; with an error it failed, and the error's kind and code are what it says.
func (s Span) End(err error) {
	if s.span != nil {
		s.EndAt(time.Now(), err)
	}
}

// EndAt is End for a step that was over at that time. It lets no span be shorter than a microsecond: SkyWalking 10 refuses the batch of one that is.
func (s Span) EndAt(at time.Time, err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		kind := chat.KindOf(err).String() // never the error's words: some are others', and may repeat what people wrote
		s.span.SetStatus(codes.Error, kind)
		s.span.SetAttributes(attribute.String("error.type", kind))
		if e, ok := errors.AsType[*chat.Error](err); ok && e.Code != "" {
			s.span.SetAttributes(attribute.String("parley.error.code", e.Code))
		}
	}
	if least := s.began.Add(time.Microsecond); at.Before(least) {
		at = least
	}
	s.span.End(trace.WithTimestamp(at))
}

// String is an attribute with a text.
func String(key, value string) Attr { return attribute.String(key, value) }

// Strings is an attribute with a list.
func Strings(key string, values ...string) Attr { return attribute.StringSlice(key, values) }

// Int is an attribute with a number.
func Int(key string, value int) Attr { return attribute.Int(key, value) }

// Bool is an attribute that is so or not.
func Bool(key string, value bool) Attr { return attribute.Bool(key, value) }

// Seconds is an attribute with a duration.
func Seconds(key string, d time.Duration) Attr { return attribute.Float64(key, d.Seconds()) }

// Kept is the id of the trace of a W3C traceparent, if that trace is kept; else empty: nobody could look it up.
func Kept(traceparent string) string {
	if len(traceparent) != len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") || !strings.HasSuffix(traceparent, "-01") {
		return ""
	}
	return traceparent[3:35]
}
