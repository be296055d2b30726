package feishu

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// times are the connection's figures; tests have shorter ones.
type times struct {
	backoff, maxBackoff time.Duration // between two tries to connect
	steady              time.Duration // a connection that held so long was a good one: the next try comes at once
	ping                time.Duration // how often the platform is asked whether it is there, if it does not say itself
	pong                time.Duration // how long it may take to answer
	store, again        time.Duration // an event that cannot be stored is tried for so long, each so often: the platform waits 3 s
	drain               time.Duration // what is in hand may take so long in the end
}

func streamTimes() times {
	return times{
		backoff: time.Second, maxBackoff: 30 * time.Second, steady: time.Minute, ping: 2 * time.Minute, pong: 10 * time.Second,
		store: 2300 * time.Millisecond, again: 300 * time.Millisecond, drain: 3 * time.Second,
	}
}

const (
	// lanes handle events side by side; those of one chat stay in order.
	lanes     = 32
	laneDepth = 32
	maxFrame  = 2 << 20
)

// Stream is a bot whose events come over a connection that every replica holds ("long connection"). The platform gives each event to one of them,
// and again, to any, if it is not acknowledged within 3 s. So an event is stored first and acknowledged then.
type Stream struct {
	*bot
	inbox  channel.Inbox
	within times
}

var _ channel.Runner = (*Stream)(nil)

// Run implements channel.Runner.
func (s *Stream) Run(ctx context.Context) {
	for pause := s.within.backoff; ctx.Err() == nil; pause = min(2*pause, s.within.maxBackoff) {
		began := s.now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if s.now().Sub(began) > s.within.steady {
			pause = s.within.backoff
		}
		wait := pause/2 + rand.N(pause)
		if e, ok := errors.AsType[*chat.Error](err); ok {
			wait = max(wait, e.RetryAfter)
		}
		s.log.Warn("feishu: no connection, connecting again", "tenant", s.tenant, "channel", s.name, "in", wait.Round(time.Millisecond), "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// serve holds one connection until it ends.
func (s *Stream) serve(ctx context.Context) error {
	const op = "feishu.connect"
	e, err := s.api.endpoint(ctx, s.within.ping)
	if err != nil {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	conn, resp, err := websocket.Dial(dialing, e.address, &websocket.DialOptions{HTTPClient: s.api.http})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		if resp != nil {
			if why := handshakeError(op, resp.Header); why != nil {
				return why
			}
		}
		return channel.Lost(op, err, false)
	}
	conn.SetReadLimit(maxFrame)
	s.metrics.connects.Inc()
	s.log.Info("feishu: connected", "tenant", s.tenant, "channel", s.name)
	return newLink(s, conn, e).run(ctx)
}
