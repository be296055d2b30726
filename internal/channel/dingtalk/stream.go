package dingtalk

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// times are Stream mode's figures; tests have shorter ones.
type times struct {
	backoff, maxBackoff time.Duration // between two tries to connect
	steady              time.Duration // a connection that held so long was a good one: the next try comes at once
	ping, pong          time.Duration // how often the platform is asked whether it is there, and how long it may take
	store, again        time.Duration // a message that cannot be stored is tried for so long, each so often
	drain               time.Duration // what is in hand may take so long in the end
	overlap             time.Duration // an announced end of a connection comes at most so late
}

func streamTimes() times {
	return times{
		backoff: time.Second, maxBackoff: 30 * time.Second, steady: time.Minute, ping: 30 * time.Second, pong: 10 * time.Second,
		store: 50 * time.Second, again: 500 * time.Millisecond, drain: 3 * time.Second, overlap: 15 * time.Second,
	}
}

const (
	// lanes handle messages side by side; those of one conversation stay in order.
	lanes     = 32
	laneDepth = 32
	maxFrame  = 1 << 20
)

// Stream is a robot whose messages come over a connection that every replica holds (document "stream mode"). The platform gives each message to
// one of them.
//
// DingTalk documents that it sends a message once and that what is not acknowledged may come again within a minute. So a message is acknowledged
// when it is stored, and one that cannot be stored is kept and tried again for almost a minute before it is left to the platform.
type Stream struct {
	*robot
	inbox  channel.Inbox
	key    string
	within times
}

var _ channel.Runner = (*Stream)(nil)

// Run implements channel.Runner.
func (s *Stream) Run(ctx context.Context) {
	var links sync.WaitGroup
	defer links.Wait()
	for pause := s.within.backoff; ctx.Err() == nil; pause = min(2*pause, s.within.maxBackoff) {
		began := s.now()
		err := s.serve(ctx, &links)
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
		s.log.Warn("dingtalk: no connection, connecting again", "tenant", s.tenant, "channel", s.name, "in", wait.Round(time.Millisecond), "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// serve holds connections one after the other for as long as the platform announces their end: the next one opens while the last still receives.
func (s *Stream) serve(ctx context.Context, links *sync.WaitGroup) error {
	for {
		l, err := s.connect(ctx)
		if err != nil {
			return err
		}
		links.Go(func() { l.run(ctx) })
		select {
		case <-l.done:
			return l.err
		case <-l.leaving:
		}
	}
}

// connect asks for a ticket, which is good for one connection and 90 s, and opens the connection.
func (s *Stream) connect(ctx context.Context) (*link, error) {
	const op = "dingtalk.connect"
	address, err := s.api.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: s.api.http})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, channel.Lost(op, err, false)
	}
	conn.SetReadLimit(maxFrame)
	s.metrics.connects.Inc()
	s.log.Info("dingtalk: connected", "tenant", s.tenant, "channel", s.name)
	return newLink(s, conn), nil
}
