package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// service answers the calls of ChatService.
type service struct {
	handler   Handler
	documents func() []Document
	providers func() []chat.ProviderState
	alone     func() string
	keys      KeyHandler // nil: none
	instance  string
	version   string
	protocol  version
	limit     int
	pictures  pictures
	log       *slog.Logger
	metrics   *serverMetrics
	trace     *telemetry.Tracer

	mu       sync.Mutex
	streams  int
	draining bool
	idle     chan struct{} // closed when draining and no stream runs
}

// admit counts a completion in, or says why not. Other calls always pass.
func (s *service) admit(method string) (func(), error) {
	if method != methodComplete {
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		s.metrics.ended(chat.Unavailable)
		// Without a kind, as if the connection failed: the client shall avoid this instance, not only try again.
		return nil, status.Error(codes.Unavailable, "this instance is shutting down")
	}
	if s.streams >= s.limit {
		s.metrics.ended(chat.Overloaded)
		return nil, encodeError(&chat.Error{
			Kind: chat.Overloaded, Op: "rpc.admit", Code: chat.CodeInstance, Err: fmt.Errorf("the instance runs %d streams, its limit", s.limit),
		}).Err()
	}
	s.streams++
	s.metrics.streams.Inc()
	return s.release, nil
}

func (s *service) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams--
	s.metrics.streams.Dec()
	if s.draining && s.streams == 0 {
		close(s.idle)
	}
}

// drain refuses completions from now on; the channel closes when the last running one has ended. Call it once.
func (s *service) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.streams == 0 {
		close(s.idle)
	}
	return s.idle
}

func (s *service) complete(ctx context.Context, in *request, out sender) (err error) {
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = chat.E(chat.Internal, "rpc.complete", errPanic)
			_ = recovered(s.log, methodComplete, r)
		}
		s.metrics.took(start, err)
	}()
	if err := of(in).misfit(s.protocol); err != nil {
		return err
	}
	if in.head.GetTenant() == "" {
		return chat.E(chat.Invalid, "rpc.complete", errors.New("tenant is empty"))
	}
	if err := authorize(ctx, in.head.GetTenant()); err != nil {
		return err
	}
	done, err := s.pictures.hold(in.head.GetImages())
	if err != nil {
		return err
	}
	defer done()
	ctx, span := s.traced(ctx, in)
	defer func() { span.End(err) }()
	req := decodeRequest(in)
	events := newEventWriter(out, req.Deltas, req.DeltaGap)
	defer events.stop()
	if err = s.handler.Complete(ctx, req, events.emit); err != nil {
		events.flush()
		return endOf(ctx, err)
	}
	if !events.finished() {
		return chat.E(chat.Internal, "rpc.complete", errors.New("the handler ended without an answer"))
	}
	return nil
}

// endOf prefers the call's own end to what the handler made of it: whoever went away, or whose time is up, is told so.
func endOf(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*chat.Error](err); !ok && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *service) inspect() *chatv1.InspectResponse {
	s.mu.Lock()
	out := &chatv1.InspectResponse{
		Instance: s.instance, Version: s.version, Streams: count(s.streams), StreamLimit: count(s.limit), Draining: s.draining,
		Protocol: count(s.protocol.speaks), ProtocolNeeds: count(s.protocol.needs),
	}
	s.mu.Unlock()
	out.Alone = s.alone()
	for _, d := range s.documents() {
		out.Documents = append(out.Documents, &chatv1.Document{
			Name: d.Name, Revision: d.Revision, SinceUnixMs: d.Since, Refused: d.Refused, InForce: d.InForce,
		})
	}
	for _, p := range s.providers() {
		out.Providers = append(out.Providers, encodeProvider(p))
	}
	return out
}

var errPanic = errors.New("a fault in the server; its log has the details")

// recovered logs a panic with its stack and gives the error that the caller sees, which tells nothing of the inside.
func recovered(log *slog.Logger, method string, r any) error {
	log.Error("panic in rpc handler", "method", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	return encodeError(chat.E(chat.Internal, "rpc."+method, errPanic)).Err()
}
