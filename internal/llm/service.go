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

// maxAttempts bounds the calls of one turn to providers, over choices and keys.
const maxAttempts = 3

// Options is what a Service needs.
type Options struct {
	// Table gives the route table in force; nil as long as none was loaded. Degradation gives the operator's switches; it may be nil
	// and return nil. Both are called once a turn and must not block.
	Table       func() *route.Table
	Degradation func() *route.Degradation
	// Dialects are the clients that `dialect` in parley-routes may name.
	Dialects  map[string]Factory
	Telemetry *telemetry.Telemetry
}

// Service answers turns. It is safe for concurrent use; a turn uses the documents that were in force when it began.
type Service struct {
	table       func() *route.Table
	degradation func() *route.Degradation
	clients     *clients
	keys        *keyring
	tokens      *counter
	metrics     *metrics
	log         *slog.Logger
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
	return &Service{
		table: o.Table, degradation: o.Degradation, clients: &clients{dialects: o.Dialects, open: map[Endpoint]Provider{}},
		keys: newKeyring(), tokens: tokens, metrics: m, log: o.Telemetry.Log,
	}, nil
}

// Close gives idle connections back. Turns that run go on.
func (s *Service) Close() { s.clients.close() }

// Complete answers one turn: Started (again after each fallback), if wanted a delta for every piece that the provider sends (DeltaGap is for
// whoever puts them on a wire), Finished. It calls emit from this goroutine, in order, and blocks until the last event or the error; an
// error of emit ends the turn as Canceled. All errors are *chat.Error; those of
// retryable kinds may succeed on another try, not before RetryAfter.
func (s *Service) Complete(ctx context.Context, req chat.Request, emit func(chat.Event) error) error {
	table := s.table()
	if table == nil {
		return chat.E(chat.Unavailable, opComplete, errors.New("no parley-routes was loaded yet"))
	}
	s.clients.use(table)
	choices, err := table.Pick(route.Want{
		Tenant: req.Tenant, Class: req.Model, Conversation: req.Conversation, Allowed: req.Providers, Own: req.Keys, Now: time.Now(),
	}, s.degradation())
	if err != nil {
		return err
	}
	question, err := s.tokens.countQuestion(req.Question, choices)
	if err != nil {
		return err
	}
	limit := table.Deadlines().Turn
	ctx, cancel := context.WithTimeoutCause(ctx, limit, lateError("the whole turn took more than", limit))
	defer cancel()
	t := &turn{Service: s, table: table, req: req, question: question, emit: emit}
	return t.run(ctx, choices)
}
