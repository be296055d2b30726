package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// frame is what the platform sends and what it is answered with.
type frame struct {
	Type    string  `json:"type"` // SYSTEM, EVENT, CALLBACK
	Headers headers `json:"headers"`
	Data    string  `json:"data"`
}

type headers struct {
	Topic string `json:"topic,omitempty"`
	ID    string `json:"messageId"`
	Type  string `json:"contentType"`
}

// ack answers a frame. Its codes are those of HTTP.
type ack struct {
	Code    int     `json:"code"`
	Headers headers `json:"headers"`
	Message string  `json:"message"`
	Data    string  `json:"data"`
}

const (
	ackStored   = 200
	ackStrange  = 400
	ackUnknown  = 404
	ackUnstored = 500
)

// link is one connection. Reading goes on until it is closed; messages are stored and acknowledged in lanes.
type link struct {
	*Stream
	conn    *websocket.Conn
	base    context.Context // what storing and acknowledging need; it ends after everything else
	stop    context.CancelFunc
	lanes   [lanes]chan work
	inHand  atomic.Int64
	leave   sync.Once
	leaving chan struct{} // closed when the platform has announced the end
	done    chan struct{} // closed when it has come
	err     error         // why; set before done is closed
}

// work is one message on its way to the store.
type work struct {
	frame frame
	m     chat.Message
}

func newLink(s *Stream, conn *websocket.Conn) *link {
	l := &link{Stream: s, conn: conn, leaving: make(chan struct{}), done: make(chan struct{})}
	l.base, l.stop = context.WithCancel(context.Background())
	return l
}

// run serves the connection until it ends, or ctx does: then what is in hand is finished.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	l.metrics.connected.Inc()
	defer l.metrics.connected.Dec()
	var helpers sync.WaitGroup
	for i := range l.lanes {
		l.lanes[i] = make(chan work, laneDepth)
		helpers.Go(func() {
			for w := range l.lanes[i] {
				l.store(w)
				l.inHand.Add(-1)
			}
		})
	}
	ended := make(chan struct{})
	helpers.Go(func() { l.end(ctx, ended) })
	helpers.Go(func() { l.ping(ended) })
	l.err = l.read()
	close(ended)
	for _, lane := range l.lanes {
		close(lane)
	}
	l.finish()
	l.stop()
	_ = l.conn.CloseNow()
	helpers.Wait()
}

// finish waits for what is in hand, for a while.
func (l *link) finish() {
	for began := time.Now(); l.inHand.Load() > 0 && time.Since(began) < l.within.drain; {
		time.Sleep(10 * time.Millisecond)
	}
}

// end closes the connection when ctx ends, and some time after the platform has announced that it will. Until the last moment it may bring a
// message, which is then stored.
func (l *link) end(ctx context.Context, ended <-chan struct{}) {
	leaving := l.leaving
	var late <-chan time.Time
	for {
		select {
		case <-leaving:
			leaving, late = nil, time.After(l.within.overlap)
			continue
		case <-ctx.Done():
		case <-late:
		case <-ended:
			return
		}
		l.finish()
		_ = l.conn.Close(websocket.StatusNormalClosure, "")
		l.stop() // the reader may wait for a lane that waits for the store
		return
	}
}

// ping ends a connection whose other side is silent.
func (l *link) ping(ended <-chan struct{}) {
	tick := time.NewTicker(l.within.ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ended:
			return
		}
		ctx, cancel := context.WithTimeout(l.base, l.within.pong)
		err := l.conn.Ping(ctx)
		cancel()
		if err != nil {
			_ = l.conn.CloseNow()
			return
		}
	}
}

// read takes frames until the connection ends.
func (l *link) read() error {
	seed := maphash.MakeSeed()
	for {
		kind, data, err := l.conn.Read(l.base)
		if err != nil {
			return channel.Lost("dingtalk.read", err, false)
		}
		var f frame
		if kind != websocket.MessageText || json.Unmarshal(data, &f) != nil {
			l.log.Warn("dingtalk: a frame is none", "tenant", l.tenant, "channel", l.name, "bytes", len(data))
			continue
		}
		if w, ok := l.dispatch(f); ok {
			l.inHand.Add(1)
			select {
			case l.lanes[maphash.String(seed, w.m.Conversation.ID)%lanes] <- w: // full: the store is slow, and the platform must wait
			case <-l.base.Done():
				return channel.Lost("dingtalk.read", l.base.Err(), false)
			}
		}
	}
}

// dispatch answers what can be answered at once; ok: the frame holds a message to be stored.
func (l *link) dispatch(f frame) (w work, ok bool) {
	switch {
	case f.Type == "SYSTEM" && f.Headers.Topic == "ping":
		l.answer(f, ackStored, "OK", f.Data)
	case f.Type == "SYSTEM" && f.Headers.Topic == "disconnect":
		l.leave.Do(func() { close(l.leaving) })
	case f.Type == "SYSTEM": // tells of the connection's own state
	case f.Type == "CALLBACK" && f.Headers.Topic == topicMessages:
		m, ok, err := l.message([]byte(f.Data))
		if err == nil && ok {
			return work{f, m}, true
		}
		if err != nil {
			l.log.Warn("dingtalk: a message is refused", "tenant", l.tenant, "channel", l.name, "err", err)
			l.answer(f, ackStrange, "refused", "{}")
		}
	default:
		l.answer(f, ackUnknown, "not subscribed", "{}")
	}
	return work{}, false
}

// store keeps a message and says so. While the store fails it tries again, for as long as the platform may still wait.
func (l *link) store(w work) {
	ctx, cancel := context.WithTimeout(l.base, l.within.store)
	defer cancel()
	for {
		err := l.accept(ctx, w.m)
		if err == nil {
			l.answer(w.frame, ackStored, "OK", `{"response":null}`)
			return
		}
		select {
		case <-time.After(l.within.again):
		case <-ctx.Done():
			l.metrics.unstored.Inc()
			l.log.Error("dingtalk: a message could not be stored; whether it comes again is the platform's to decide",
				"tenant", l.tenant, "channel", l.name, "err", err)
			l.answer(w.frame, ackUnstored, "not stored", "{}")
			return
		}
	}
}

func (l *link) accept(ctx context.Context, m chat.Message) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.inbox.Accept(ctx, m)
}

// answer acknowledges a frame. An answer that is lost costs a repetition, which is recognised.
func (l *link) answer(f frame, code int, message, data string) {
	out, err := encode(ack{Code: code, Headers: headers{ID: f.Headers.ID, Type: "application/json"}, Message: message, Data: data})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.base, 5*time.Second)
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageText, out); err != nil && !errors.Is(err, context.Canceled) {
		l.log.Debug("dingtalk: an acknowledgement is lost", "tenant", l.tenant, "channel", l.name, "err", err)
	}
}
