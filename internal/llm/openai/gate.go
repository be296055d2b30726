package openai

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/llm"
)

// mostDialing is how many calls may look for a connection at once.
const mostDialing = 16

// gate lets few calls at once look for a connection, until it is known that each needs one of its own. net/http opens a connection for every call
// that finds none with room: where thousands of calls share one over HTTP/2, a burst of four thousand opened six thousand, most of which were closed
// at once. A call that finds room passes in microseconds.
type gate struct {
	places chan struct{}
	wait   time.Duration // for a place: no longer than a connection itself may take; 0: any time
	prior  bool          // HTTP/2 without TLS
	single atomic.Bool   // a connection carries one call at a time: HTTP/1.1
}

func newGate(e llm.Endpoint) *gate {
	return &gate{places: make(chan struct{}, mostDialing), wait: e.Connect, prior: e.PriorKnowledge}
}

// enter waits for a place. The place is free again when the call of the context that it gives has a connection, or with leave.
func (g *gate) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	if g.single.Load() {
		return ctx, func() {}, nil
	}
	select {
	case g.places <- struct{}{}:
	default:
		if err := g.line(ctx); err != nil {
			return nil, nil, err
		}
	}
	leave = sync.OnceFunc(func() { <-g.places })
	if g.single.Load() { // which was found out meanwhile: nobody else need wait in line either
		leave()
		return ctx, leave, nil
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		g.single.Store(!g.prior && !multiplexed(info))
		leave()
	}}
	return httptrace.WithClientTrace(ctx, trace), leave, nil
}

func multiplexed(info httptrace.GotConnInfo) bool {
	c, ok := info.Conn.(*tls.Conn)
	return ok && c.ConnectionState().NegotiatedProtocol == "h2"
}

// line waits for a place. Where nobody gets a connection, those behind hear of it as soon as those before.
func (g *gate) line(ctx context.Context) error {
	var late <-chan time.Time
	if g.wait > 0 {
		t := time.NewTimer(g.wait)
		defer t.Stop()
		late = t.C
	}
	select {
	case g.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		return fmt.Errorf("no connection within %v: %w", g.wait, os.ErrDeadlineExceeded)
	}
}
