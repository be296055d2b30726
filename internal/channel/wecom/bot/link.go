package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// link is one connection.
type link struct {
	*Stream
	conn *websocket.Conn
	id   string

	base context.Context // what the work of this connection needs; it ends after everything else
	stop context.CancelFunc

	mu      sync.Mutex
	waiting map[string]chan frame // by req_id: takes the platform's answer
	lanes   map[string]*lane      // by req_id: frames of one question go one after the other
	over    error                 // why the connection is to end
	helpers sync.WaitGroup
	intake  *intake
}

func newLink(s *Stream, conn *websocket.Conn, id string) *link {
	l := &link{Stream: s, conn: conn, id: id, waiting: map[string]chan frame{}, lanes: map[string]*lane{}}
	l.base, l.stop = context.WithCancel(context.Background())
	l.intake = newIntake(l)
	return l
}

// run subscribes and serves until the connection ends, or ctx does: then what is in hand is finished first.
func (l *link) run(ctx context.Context) error {
	ended := make(chan struct{})
	var read error
	go func() {
		defer close(ended)
		read = l.read()
	}()
	err := l.subscribe(ctx)
	if err == nil {
		l.metrics.connected.Set(1)
		l.log.Info("wecombot: connected", "bot_id", l.Stream.id)
		serving, leave := context.WithCancel(ctx)
		l.helpers.Go(func() { l.relay.Serve(serving, l.role(), l.carry) })
		l.helpers.Go(func() { l.ping(serving) })
		select {
		case <-ended:
		case <-ctx.Done():
		}
		leave()
		l.intake.finish(l.within.drain)
		l.metrics.connected.Set(0)
	}
	l.bye()
	<-ended
	l.intake.close()
	l.helpers.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != nil:
		return l.over
	case err != nil:
		return err
	}
	return read
}

// bye ends the connection, and does not wait long for the other side to say so, too.
func (l *link) bye() {
	late := time.AfterFunc(500*time.Millisecond, func() { _ = l.conn.CloseNow() })
	defer late.Stop()
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
	l.stop()
}

// subscribe notes that this connection is to be the bot's, and proves who connects.
func (l *link) subscribe(ctx context.Context) error {
	const op = "wecombot.subscribe"
	ctx, cancel := context.WithTimeout(ctx, l.within.dial)
	defer cancel()
	body, err := encode(subscription{l.Stream.id, l.secret.Reveal()})
	if err != nil {
		return chat.E(chat.Internal, op, err)
	}
	// Before the platform ends the connection before this one, whose holder looks there for who has come.
	if err := l.memo.Remember(ctx, l.connKey(), l.id, 24*time.Hour); err != nil {
		l.log.Warn("wecombot: which connection is the bot's cannot be kept", "err", err)
	}
	a, err := l.ask(ctx, cmdSubscribe, cmdSubscribe+"_"+l.id, body)
	if err != nil {
		return err
	}
	if a.Code != 0 {
		e, _ := errors.AsType[*chat.Error](refusal(op, a.Code, redact(a.Message, l.secret)))
		if !e.Kind.Retryable() {
			e.Kind = chat.Unauthenticated
		}
		return e
	}
	return nil
}

func (l *link) connKey() string { return l.key("role", "conn") }

// read takes frames until the connection ends.
func (l *link) read() error {
	for {
		kind, data, err := l.conn.Read(l.base)
		if err != nil {
			return channel.Lost("wecombot.read", err, false)
		}
		var f frame
		if kind != websocket.MessageText || json.Unmarshal(data, &f) != nil || f.Headers.Req == "" {
			l.log.Warn("wecombot: a frame is none", "bytes", len(data))
			continue
		}
		switch f.Cmd {
		case "":
			l.answered(f)
		case cmdMessage:
			l.message(f)
		case cmdEvent:
			l.event(f)
		default:
			l.log.Warn("wecombot: a frame is not understood", "cmd", f.Cmd[:min(len(f.Cmd), 40)])
		}
	}
}

// answered gives an answer to who waits for it.
func (l *link) answered(f frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.waiting[f.Headers.Req]; c != nil {
		delete(l.waiting, f.Headers.Req)
		c <- f
	}
}

// event handles what nobody wrote.
func (l *link) event(f frame) {
	var in incoming
	if json.Unmarshal(f.Body, &in) != nil {
		return
	}
	switch in.Event.Type {
	case eventEnter:
		l.helpers.Go(func() {
			body, err := encode(welcome{"text", text{l.welcome}})
			if err == nil {
				_, err = l.ask(l.base, cmdWelcome, f.Headers.Req, body)
			}
			if err != nil {
				l.log.Warn("wecombot: a welcome is lost", "err", err)
			}
		})
	case eventEvicted:
		l.helpers.Go(l.leaveEvicted)
	}
}

// leaveEvicted ends the connection, and tells whether one of Parley's own replicas has the bot's now.
func (l *link) leaveEvicted() {
	ctx, cancel := context.WithTimeout(l.base, 2*time.Second)
	defer cancel()
	now, err := l.memo.Recall(ctx, l.connKey())
	l.mu.Lock()
	l.over = errEvicted
	if err == nil && now != l.id {
		l.over = errMoved
	}
	l.mu.Unlock()
	_ = l.conn.CloseNow()
}

// ping ends a connection whose other side is silent.
func (l *link) ping(ctx context.Context) {
	tick := time.NewTicker(l.within.ping)
	defer tick.Stop()
	for missed := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-l.base.Done():
			return
		}
		asked, cancel := context.WithTimeout(l.base, l.within.ping)
		_, err := l.ask(asked, cmdPing, fmt.Sprintf("%s_%s_%d", cmdPing, l.id, time.Now().UnixNano()), nil)
		cancel()
		if missed++; err == nil {
			missed = 0
		}
		if missed == 2 {
			l.mu.Lock()
			l.over = channel.Lost("wecombot.ping", errors.New("two questions whether it is there had no answer"), false)
			l.mu.Unlock()
			_ = l.conn.CloseNow()
			return
		}
	}
}

// carry does what another replica asks.
func (l *link) carry(ctx context.Context, payload []byte) []byte {
	l.intake.inHand.Add(1)
	defer l.intake.inHand.Add(-1)
	var r request
	out := response{Lost: true}
	if json.Unmarshal(payload, &r) == nil {
		a, err := l.ask(ctx, r.Cmd, r.Req, r.Body)
		e, failed := errors.AsType[*chat.Error](err)
		out = response{Code: a.Code, Message: redact(a.Message, l.secret), Lost: failed, Maybe: failed && e.Maybe}
	}
	raw, _ := encode(out) // texts and numbers: it does not fail
	return raw
}
