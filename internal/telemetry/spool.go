package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The spool holds spans until they are sent. When a collector does not keep up, it is full, and spans are dropped.
const (
	spoolSize  = 8192
	batchSize  = 512
	batchAfter = 2 * time.Second
	sendFor    = 10 * time.Second // one batch
)

// spool sends spans in batches from a goroutine of its own. The SDK's does the same, and does not tell what it dropped.
type spool struct {
	out     sdktrace.SpanExporter
	spans   chan sdktrace.ReadOnlySpan
	flush   chan chan struct{}
	stop    chan struct{}
	ended   chan struct{}
	sent    prometheus.Counter
	dropped *prometheus.CounterVec
}

func newSpool(out sdktrace.SpanExporter, reg prometheus.Registerer) *spool {
	s := &spool{
		out: out, spans: make(chan sdktrace.ReadOnlySpan, spoolSize), flush: make(chan chan struct{}), stop: make(chan struct{}), ended: make(chan struct{}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{Name: "parley_trace_spans_sent_total", Help: "Spans that the collector took."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_trace_spans_dropped_total",
			Help: "Spans that were not sent: full (the collector does not keep up), failed (it refused them, or is away)."}, []string{"reason"}),
	}
	for _, reason := range []string{"full", "failed"} {
		s.dropped.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(s.sent, s.dropped)
	}
	go s.run()
	return s
}

// OnStart implements sdktrace.SpanProcessor.
func (s *spool) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor. It never blocks.
func (s *spool) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	select {
	case s.spans <- span:
	default:
		s.dropped.WithLabelValues("full").Inc()
	}
}

// ForceFlush implements sdktrace.SpanProcessor.
func (s *spool) ForceFlush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.flush <- done:
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown implements sdktrace.SpanProcessor. Call it once.
func (s *spool) Shutdown(ctx context.Context) error {
	err := s.ForceFlush(ctx)
	close(s.stop)
	if err == nil {
		<-s.ended
	}
	return s.out.Shutdown(ctx)
}

func (s *spool) run() {
	defer close(s.ended)
	tick := time.NewTicker(batchAfter)
	defer tick.Stop()
	batch := make([]sdktrace.ReadOnlySpan, 0, batchSize)
	for {
		select {
		case span := <-s.spans:
			if batch = append(batch, span); len(batch) == batchSize {
				batch = s.send(batch)
			}
		case <-tick.C:
			batch = s.send(batch)
		case done := <-s.flush:
			for n := len(s.spans); n > 0; n-- {
				if batch = append(batch, <-s.spans); len(batch) == batchSize {
					batch = s.send(batch)
				}
			}
			batch = s.send(batch)
			close(done)
		case <-s.stop:
			return
		}
	}
}

// send hands a batch to the collector and empties it, whatever becomes of it.
func (s *spool) send(batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	if len(batch) == 0 {
		return batch
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendFor)
	defer cancel()
	go func() { // an end of the process does not wait for a collector that hangs
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.out.ExportSpans(ctx, batch); err != nil {
		s.dropped.WithLabelValues("failed").Add(float64(len(batch)))
	} else {
		s.sent.Add(float64(len(batch)))
	}
	clear(batch)
	return batch[:0]
}
