package conversation

import (
	"context"
	"log/slog"

	"parley/internal/telemetry"
)

// spanNames are what a span says of a turn: nothing that names a person.
func spanNames(tenant, channel, turn string) []telemetry.Attr {
	return []telemetry.Attr{telemetry.String("parley.tenant", tenant), telemetry.String("parley.channel", channel), telemetry.String("parley.turn", turn)}
}

// traced is a claimed message's part of its trace: what this owner does for it. The trace was begun by whoever accepted the message, and goes on with
// whoever owns it.
func (s *Service) traced(ctx context.Context, c *Claim) (context.Context, telemetry.Span) {
	if s.Trace == nil {
		return ctx, telemetry.Span{}
	}
	ctx = s.Trace.Continue(ctx, c.Message.Trace)
	if c.Unfinished == nil && c.Attempt == 1 {
		s.Trace.Past(ctx, "mailbox", c.Message.AcceptedAt, c.Message.AcceptedAt.Add(max(0, c.Message.Age(c.Now))))
	}
	ctx, span := s.Trace.Start(ctx, "turn", telemetry.Consumer)
	if span.On() {
		span.Set(spanNames(c.Key.Tenant, c.Key.Channel, turnID(c))...)
		span.Set(telemetry.Int("parley.attempt", c.Attempt))
		if takenOver(c) {
			span.Set(telemetry.Bool("parley.takeover", true))
		}
		if c.Unfinished != nil {
			span.Set(telemetry.Bool("parley.resumed", true)) // the answer was committed before
		}
	}
	return ctx, span
}

// takenOver reports whether somebody else owned the turn before, or this process in an earlier life, and did not end it: a reply that waited for its
// next try, as its owner wanted it, is none.
func takenOver(c *Claim) bool {
	if u := c.Unfinished; u != nil {
		return u.Tries == 0 && !u.Since.After(c.Now)
	}
	return c.Attempt > 1
}

// logged is the trace that a log line of a turn belongs to; nothing, if it is not kept.
func logged(c *Claim) slog.Attr {
	if id := telemetry.Kept(c.Message.Trace); id != "" {
		return slog.String("trace_id", id)
	}
	return slog.Attr{}
}

// logOf is the log of a turn's lines.
func (s *Service) logOf(c *Claim) *slog.Logger { return s.Log.With(logged(c)) }
