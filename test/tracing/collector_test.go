package tracing

import (
	"context"
	"encoding/hex"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// span is a span that arrived, with what its process says of itself.
type span struct {
	trace, id, parent string
	name, service     string
	kind              trace.Span_SpanKind
	failed            bool
	took              time.Duration
	attributes        map[string]string
}

// collected is an OTLP collector in this process.
type collected struct {
	collector.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans []span
}

// collect starts a collector that ends with the test, and gives its endpoint.
func collect(t *testing.T) (c *collected, endpoint string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = new(collected)
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, c)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return c, "http://" + l.Addr().String()
}

// Export implements OTLP's TraceService.
func (c *collected) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range in.GetResourceSpans() {
		service := texts(r.GetResource().GetAttributes())["service.name"]
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{
					trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()),
					name: s.GetName(), service: service, kind: s.GetKind(), failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR,
					took: time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()), attributes: texts(s.GetAttributes()),
				})
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// traces are the spans so far, by trace.
func (c *collected) traces() map[string][]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]span{}
	for _, s := range c.spans {
		out[s.trace] = append(out[s.trace], s)
	}
	return out
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		case *common.AnyValue_BoolValue:
			out[a.GetKey()] = strconv.FormatBool(v.BoolValue)
		default: // lists and fractions: a test looks for words in them only
			out[a.GetKey()] = a.GetValue().String()
		}
	}
	return out
}
