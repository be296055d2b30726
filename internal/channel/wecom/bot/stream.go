package bot

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// times are stream mode's figures; tests have shorter ones.
type times struct {
	dial                time.Duration // to connect, and to be let in
	backoff, maxBackoff time.Duration // between two tries to connect
	steady              time.Duration // a connection that held so long was a good one
	ping                time.Duration // how often the platform is asked whether it is there; it is not after two questions without an answer
	ack                 time.Duration // how long the answer to a frame may take
	evicted             []time.Duration
	store, again        time.Duration // a message that cannot be stored is tried for so long, each so often
	drain               time.Duration // what is in hand may take so long in the end
}

func streamTimes() times {
	return times{
		dial: 10 * time.Second, backoff: time.Second, maxBackoff: 30 * time.Second, steady: time.Minute, ping: 30 * time.Second, ack: 5 * time.Second,
		evicted: []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute},
		store:   50 * time.Second, again: 500 * time.Millisecond, drain: 3 * time.Second,
	}
}

// maxRefused is the longest pause after the platform has refused the secret.
const maxRefused = 5 * time.Minute

// Stream is a bot whose messages come over the one connection that the platform gives it. One replica holds it; the others, where turns run as well,
// ask that one for what they have to send.
type Stream struct {
	*aiBot
	id, origin string
	secret     chat.Secret
	inbox      channel.Inbox
	lead       channel.Leader
	relay      channel.Relay
	limits     channel.Limiter
	within     times
}

var (
	_ channel.Channel      = (*Stream)(nil)
	_ channel.Runner       = (*Stream)(nil)
	_ channel.Streamer     = (*Stream)(nil)
	_ channel.PartResender = (*Stream)(nil)
	_ channel.Fetcher      = (*Stream)(nil)
	_ channel.Checker      = (*Stream)(nil)
)

func newStream(b *aiBot, s channel.Settings, d channel.Deps) *Stream {
	return &Stream{
		aiBot: b, id: s.String("bot_id"), secret: s.Secret("secret"), origin: d.Origins.WeComBot, inbox: d.Inbox, lead: d.Lead, relay: d.Relay,
		limits: d.Limits, within: streamTimes(),
	}
}

// Check implements channel.Checker: whether the platform can be reached. The secret is not tried: whoever connects with it ends the connection of the
// client service that runs.
func (s *Stream) Check(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	return err
}

// role names what one replica has at a time, and what it is asked under.
func (s *Stream) role() string { return s.key("role", digest(s.id)) }

// Run implements channel.Runner.
func (s *Stream) Run(ctx context.Context) { s.lead.Lead(ctx, s.role(), s.hold) }

var (
	errEvicted = errors.New("another program connected as this bot")
	errMoved   = errors.New("another replica connected")
)

// hold keeps the bot connected until ctx ends or another replica is.
func (s *Stream) hold(ctx context.Context) {
	pause, evictions := s.within.backoff, 0
	for ctx.Err() == nil {
		began := s.now()
		err := s.serve(ctx)
		if ctx.Err() != nil || errors.Is(err, errMoved) {
			return
		}
		if s.now().Sub(began) > s.within.steady {
			pause = s.within.backoff
			if s.now().Sub(began) > s.within.evicted[len(s.within.evicted)-1] {
				evictions = 0
			}
		}
		wait := pause/2 + mathrand.N(pause)
		e, _ := errors.AsType[*chat.Error](err)
		switch {
		case errors.Is(err, errEvicted):
			wait = s.within.evicted[min(evictions, len(s.within.evicted)-1)]
			evictions++
			s.metrics.evicted.Inc()
			s.log.Error("wecombot: another program connects as this bot, and the platform allows it one connection; end that program, or give it a bot of its own",
				"bot_id", s.id, "connecting_again_in", wait)
		case e != nil && e.Kind == chat.Unauthenticated:
			wait = min(30*pause, maxRefused)
			s.log.Error("wecombot: the platform refuses bot_id and secret", "bot_id", s.id, "connecting_again_in", wait, "err", err)
		default:
			s.log.Warn("wecombot: no connection, connecting again", "in", wait.Round(time.Millisecond), "err", err)
		}
		pause = min(2*pause, s.within.maxBackoff)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// serve holds one connection until it ends.
func (s *Stream) serve(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	l := newLink(s, conn, rand.Text())
	return l.run(ctx)
}

func (s *Stream) dial(ctx context.Context) (*websocket.Conn, error) {
	const op = "wecombot.connect"
	ctx, cancel := context.WithTimeout(ctx, s.within.dial)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, s.origin, &websocket.DialOptions{HTTPClient: s.http})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, channel.Lost(op, err, false)
	}
	conn.SetReadLimit(maxFrame)
	return conn, nil
}
