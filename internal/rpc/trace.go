package rpc

import (
	"context"

	"google.golang.org/grpc/metadata"

	"parley/internal/telemetry"
)

// traceparent is the metadata by which a call says which span it is within, as W3C and Dubbo have it.
const traceparent = "traceparent"

const spanComplete = serviceName + "/" + methodComplete

// traced begins the span of a call, and has it travel with the call.
func (c *Client) traced(ctx context.Context) (context.Context, telemetry.Span) {
	ctx, span := c.trace.Start(ctx, spanComplete, telemetry.Client)
	if p := c.trace.Traceparent(ctx); p != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, traceparent, p)
	}
	return ctx, span
}

// traced begins the span of a call that came in, within that of its caller.
func (s *service) traced(ctx context.Context, in *request) (context.Context, telemetry.Span) {
	if s.trace == nil {
		return ctx, telemetry.Span{}
	}
	if v := metadata.ValueFromIncomingContext(ctx, traceparent); len(v) > 0 {
		ctx = s.trace.Continue(ctx, v[0])
	}
	ctx, span := s.trace.Start(ctx, spanComplete, telemetry.Server)
	if span.On() {
		span.Set(telemetry.String("parley.tenant", in.head.GetTenant()), telemetry.String("parley.turn", in.head.GetTurn()),
			telemetry.Int("parley.attempt", int(in.head.GetAttempt())))
	}
	return ctx, span
}
