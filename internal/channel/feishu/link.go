package feishu

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/chat"
)

// link is one connection. Reading goes on until it ends; events are stored and acknowledged in lanes.
type link struct {
	*Stream
	conn    *websocket.Conn
	service int32
	base    context.Context // what storing and acknowledging need; it ends after everything else
	stop    context.CancelFunc
	lanes   [lanes]chan work
	inHand  atomic.Int64
	every   atomic.Int64 // how often the platform is asked whether it is there, in ns
	heard   atomic.Int64 // when it was heard last, in ns
}

// work is one event on its way to the store.
type work struct {
	frame frame // that is answered
	event event
	came  time.Time
}

func newLink(s *Stream, conn *websocket.Conn, e endpoint) *link {
	l := &link{Stream: s, conn: conn, service: e.service}
	l.base, l.stop = context.WithCancel(context.Background())
	l.every.Store(int64(e.ping))
	l.hear()
	return l
}

func (l *link) hear() { l.heard.Store(time.Now().UnixNano()) }

// run serves the connection until it ends, or ctx does: then what is in hand is finished.
func (l *link) run(ctx context.Context) error {
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
	err := l.read()
	close(ended)
	for _, lane := range l.lanes {
		close(lane)
	}
	l.finish()
	l.stop()
	_ = l.conn.CloseNow()
	helpers.Wait()
	return err
}

// finish waits for what is in hand, for a while.
func (l *link) finish() {
	for began := time.Now(); l.inHand.Load() > 0 && time.Since(began) < l.within.drain; {
		time.Sleep(10 * time.Millisecond)
	}
}

// end closes the connection when ctx ends. Until the last moment it may bring an event, which is then stored.
func (l *link) end(ctx context.Context, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	l.finish()
	_ = l.conn.Close(websocket.StatusNormalClosure, "")
	l.stop() // the reader may wait for a lane that waits for the store
}

// ping asks the platform whether it is there, as often as it wants to be asked, and ends a connection whose other side is silent.
func (l *link) ping(ended <-chan struct{}) {
	for {
		asked := time.Now()
		l.write(frame{service: l.service, method: methodControl, headers: []header{{headerType, framePing}}})
		every := time.Duration(l.every.Load())
		if !pause(min(every, l.within.pong), ended) {
			return
		}
		if l.heard.Load() < asked.UnixNano() {
			l.log.Warn("feishu: the platform is silent, the connection is given up", "tenant", l.tenant, "channel", l.name)
			_ = l.conn.CloseNow()
			return
		}
		if !pause(every-time.Since(asked), ended) {
			return
		}
	}
}

// pause reports whether d passed before ended.
func pause(d time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	}
}

// read takes frames until the connection ends.
func (l *link) read() error {
	seed, together := maphash.MakeSeed(), pieces{}
	for {
		kind, data, err := l.conn.Read(l.base)
		if err != nil {
			return channel.Lost("feishu.read", err, false)
		}
		l.hear()
		f, err := parseFrame(data)
		if kind != websocket.MessageBinary || err != nil {
			l.log.Warn("feishu: a frame is none", "tenant", l.tenant, "channel", l.name, "bytes", len(data))
			continue
		}
		w, lane, ok := l.dispatch(f, &together)
		if !ok {
			continue
		}
		l.inHand.Add(1)
		select {
		case l.lanes[maphash.String(seed, lane)%lanes] <- w: // full: the store is slow, and the platform must wait
		case <-l.base.Done():
			return channel.Lost("feishu.read", l.base.Err(), false)
		}
	}
}

// dispatch answers what can be answered at once; ok: the frame completes an event, which is to be stored in the order of its lane.
func (l *link) dispatch(f frame, together *pieces) (w work, lane string, ok bool) {
	switch {
	case f.method == methodControl && f.get(headerType) == framePong:
		var c clientConfig
		if json.Unmarshal(f.payload, &c) == nil {
			l.every.Store(int64(c.interval(time.Duration(l.every.Load()))))
		}
		return w, "", false
	case f.method != methodData || f.get(headerType) != frameEvent:
		return w, "", false
	}
	payload, complete := together.add(&f)
	if !complete {
		return w, "", false
	}
	w = work{frame: f, came: time.Now()}
	if err := decode(payload, &w.event); err != nil {
		l.log.Warn("feishu: an event is refused", "tenant", l.tenant, "channel", l.name, "err", err)
		l.answer(w, false)
		return w, "", false
	}
	var in struct {
		Message struct {
			Chat string `json:"chat_id"`
		} `json:"message"`
	}
	_ = json.Unmarshal(w.event.Event, &in) // events of other kinds have no order
	return w, in.Message.Chat, true
}

// store keeps what an event holds and says so. While the store fails it tries again, for as long as the platform waits.
func (l *link) store(w work) {
	ctx, cancel := context.WithDeadline(l.base, w.came.Add(l.within.store))
	defer cancel()
	for {
		err := l.take(ctx, w.event)
		if err == nil {
			l.answer(w, true)
			return
		}
		if kind := chat.KindOf(err); kind == chat.Invalid || kind == chat.Forbidden {
			l.log.Warn("feishu: an event is refused", "tenant", l.tenant, "channel", l.name, "err", err)
			l.answer(w, false)
			return
		}
		select {
		case <-time.After(l.within.again):
		case <-ctx.Done():
			l.metrics.unstored.Inc()
			l.log.Error("feishu: an event could not be stored in time; the platform is asked to send it again",
				"tenant", l.tenant, "channel", l.name, "err", err)
			l.answer(w, false)
			return
		}
	}
}

func (l *link) take(ctx context.Context, e event) error {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	m, ok, err := l.message(asking, e)
	if err != nil || !ok {
		return err
	}
	return l.inbox.Accept(ctx, m)
}

// answer acknowledges an event, or not. An answer that is lost costs a repetition, which is recognised.
func (l *link) answer(w work, stored bool) {
	code := 200
	if !stored {
		code = 500
	}
	f := w.frame
	f.headers = append(f.headers, header{headerTook, strconv.FormatInt(time.Since(w.came).Milliseconds(), 10)})
	f.payload = []byte(`{"code":` + strconv.Itoa(code) + `,"headers":null,"data":null}`)
	l.write(f)
}

func (l *link) write(f frame) {
	ctx, cancel := context.WithTimeout(l.base, 5*time.Second)
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageBinary, f.bytes()); err != nil && !errors.Is(err, context.Canceled) {
		l.log.Debug("feishu: a frame is lost", "tenant", l.tenant, "channel", l.name, "err", err)
	}
}
