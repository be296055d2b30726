package llm

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/telemetry"
)

const opComplete = "llm.complete"

// Options is what a Service needs.
type Options struct {
	// Table gives the route table in force; nil as long as none was loaded. Degradation gives the operator's switches; it may be nil
	// and return nil. Both are called once a turn and must not block.
	Table       func() *route.Table
	Degradation func() *route.Degradation
	// Dialects are the clients that `dialect` in parley-routes may name.
	Dialects map[string]Factory
	// Fleet keeps the keys' limits over all servers; nil: this server counts alone.
	Fleet     Fleet
	Telemetry *telemetry.Telemetry
}

// Service answers turns. It is safe for concurrent use; a turn uses the documents that were in force when it began.
type Service struct {
	table       func() *route.Table
	degradation func() *route.Degradation
	clients     *clients
	keys        *keyring
	fleet       Fleet
	tokens      *counter
	metrics     *metrics
	log         *slog.Logger
	trace       *telemetry.Tracer
}

// New makes a Service and registers its metrics. It opens no connection.
func New(o Options) (*Service, error) {
	tokens, err := newCounter()
	if err != nil {
		return nil, chat.E(chat.Internal, "llm.new", err)
	}
	m, err := newMetrics(o.Telemetry.Metrics)
	if err != nil {
		return nil, chat.E(chat.Internal, "llm.new", err)
	}
	if o.Degradation == nil {
		o.Degradation = func() *route.Degradation { return nil }
	}
	if o.Fleet == nil {
		o.Fleet = newLocal()
	}
	s := &Service{
		table: o.Table, degradation: o.Degradation, clients: &clients{dialects: o.Dialects, open: map[Endpoint]client{}},
		keys: newKeyring(), fleet: o.Fleet, tokens: tokens, metrics: m, log: o.Telemetry.Log, trace: o.Telemetry.Trace,
	}
	if err := o.Telemetry.Metrics.Register(states{s}); err != nil {
		return nil, chat.E(chat.Internal, "llm.new", err)
	}
	return s, nil
}

// Close gives idle connections back. Turns that run go on.
func (s *Service) Close() { s.clients.close() }

// Complete answers one turn: Started (again after each fallback or retry), if wanted a delta for every piece that the provider sends (DeltaGap
// is for whoever puts them on a wire), Spent after each call that cost something, Finished. It calls emit from this goroutine, in order, and
// blocks until the last event or the error; an error of emit ends the turn as Canceled. The turn's deadline begins with its first call; before,
// it waits no more than three seconds for a key.
//
// All errors are *chat.Error, and of two sorts. With the code [chat.CodeKeysBusy] (kind Overloaded) the turn waits: every key that it may
// use is at its limit, or rests for minutes at most after a rate limit; nothing failed, and the same request is asked again after RetryAfter.
// With any other code the turn failed. Nobody should ask at once again, since retries and fallbacks were made here; those of retryable
// kinds may succeed later, not before RetryAfter.
func (s *Service) Complete(ctx context.Context, req chat.Request, emit func(chat.Event) error) error {
	t := &turn{Service: s, table: s.table(), req: req, emit: emit}
	defer t.endSpans()
	failure := t.complete(ctx)
	t.metrics.turn(t, failure)
	return errorOrNil(failure)
}

// complete finds the turn's choices and runs it over them.
func (t *turn) complete(ctx context.Context) *chat.Error {
	if failure := t.prepare(); failure != nil {
		return failure
	}
	return t.run(ctx)
}

func (t *turn) prepare() *chat.Error {
	if t.table == nil {
		return chat.E(chat.Unavailable, opComplete, errors.New("no parley-routes was loaded yet"))
	}
	t.clients.use(t.table)
	choices, err := t.table.Pick(route.Want{
		Tenant: t.req.Tenant, Class: t.req.Model, Allowed: t.req.Providers, Own: t.req.Keys, Conversation: t.req.Conversation, Now: time.Now(),
	}, t.degradation())
	if err != nil {
		return asError(err)
	}
	if len(t.req.Images) > 0 {
		if choices, err = seeing(choices); err != nil {
			return asError(err)
		}
	}
	if t.question, err = t.tokens.countQuestion(t.req, choices); err != nil {
		return asError(err)
	}
	t.tries = make([]try, len(choices))
	for i, c := range choices {
		t.tries[i].Choice = c
	}
	return nil
}
