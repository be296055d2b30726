package rpc

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// tracing is telemetry whose spans are kept in memory until it is flushed.
func tracing(t *testing.T) (*telemetry.Telemetry, func() tracetest.SpanStubs) {
	t.Helper()
	out, tel := tracetest.NewInMemoryExporter(), telemetry.Discard()
	tel.Trace = telemetry.TracerTo(keeping{out}, nil) // whose Shutdown forgets
	return tel, func() tracetest.SpanStubs {
		if err := tel.Trace.Close(); err != nil {
			t.Error(err)
		}
		return out.GetSpans()
	}
}

// TestTheTraceTravels: the server's span lies in the client's, also of a call that failed; a client that does not trace starts none at the server.
func TestTheTraceTravels(t *testing.T) {
	t.Parallel()
	here, mine := tracing(t)
	there, theirs := tracing(t)
	addr := serve(t, ServerOptions{Handler: &script{}, Telemetry: there}).Addr()
	c := dial(t, ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: []string{addr}}, Telemetry: here})
	awaitUp(t, c, addr)
	if _, err := ask(t.Context(), c, "q"); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context(), c, "fail "+chat.Billing.String()); err == nil {
		t.Fatal("no error")
	}
	sent, got := mine(), theirs()
	if len(sent) != 2 || len(got) != 2 {
		t.Fatalf("%d spans at the client, %d at the server; want 2 each", len(sent), len(got))
	}
	for i := range sent {
		if sent[i].Name != spanComplete || got[i].Name != spanComplete || got[i].Parent.SpanID() != sent[i].SpanContext.SpanID() ||
			got[i].SpanContext.TraceID() != sent[i].SpanContext.TraceID() {
			t.Errorf("%s of %s lies in %s, want %s", got[i].Name, got[i].SpanContext.TraceID(), got[i].Parent.SpanID(), sent[i].SpanContext.SpanID())
		}
	}
	if sent[1].Status.Description != chat.Billing.String() || got[1].Status.Description != chat.Billing.String() {
		t.Errorf("a failed call ends with %q and %q", sent[1].Status.Description, got[1].Status.Description)
	}
}

// keeping keeps spans over its shutdown.
type keeping struct{ *tracetest.InMemoryExporter }

// Shutdown implements the exporter.
func (keeping) Shutdown(context.Context) error { return nil }
