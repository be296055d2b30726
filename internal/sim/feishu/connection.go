package feishu

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	maxConns  = 50
	serviceID = 33554678
)

// conn is a connection that an application holds.
type conn struct {
	ws *websocket.Conn

	mu      sync.Mutex
	waiting map[string]chan int // what was sent and is not acknowledged, by message_id: gets the code
}

// endpoint gives an application the address of a connection, with a ticket that opens it once.
func (s *Sim) endpoint(r *http.Request) answer {
	var in struct {
		ID     string `json:"AppID"`
		Secret string `json:"AppSecret"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[in.ID]
	if a == nil || a.AppSecret != in.Secret {
		return answer{code: 514, message: "AppID or AppSecret is wrong"}
	}
	ticket := s.id("ticket")
	s.tickets[ticket] = in.ID
	address := "ws://" + r.Host + "/ws/v2?fpid=493&aid=552564&device_id=" + s.id("") + "&access_key=" + ticket + "&service_id=" + strconv.Itoa(serviceID) +
		"&ticket=" + ticket
	return ok(object{"URL": address, "ClientConfig": s.clientConfig()})
}

func (s *Sim) clientConfig() object {
	return object{"ReconnectCount": -1, "ReconnectInterval": 120, "ReconnectNonce": 30, "PingInterval": int(s.opt.PingInterval.Seconds())}
}

// connect opens a connection and serves it until it ends.
func (s *Sim) connect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	a := s.apps[s.tickets[ticket]]
	delete(s.tickets, ticket)
	full := a != nil && len(a.conns) >= maxConns
	s.mu.Unlock()
	if a == nil || full {
		w.Header().Set("Handshake-Status", "514")
		w.Header().Set("Handshake-Msg", "authentication failed")
		if full {
			w.Header().Set("Handshake-Msg", "the number of connections exceeded the limit")
			w.Header().Set("Handshake-Autherrcode", "1000040350")
		}
		w.WriteHeader(http.StatusForbidden)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(1 << 20)
	c := &conn{ws: ws, waiting: make(map[string]chan int)}
	s.mu.Lock()
	id := a.AppID
	s.apps[id].conns = append(s.apps[id].conns, c)
	s.mu.Unlock()
	s.serve(r.Context(), c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[id].conns = slices.DeleteFunc(s.apps[id].conns, func(other *conn) bool { return other == c })
}

func (s *Sim) serve(ctx context.Context, c *conn) {
	for {
		kind, data, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		f, err := parse(data)
		if kind != websocket.MessageBinary || err != nil {
			_ = c.ws.Close(websocket.StatusProtocolError, "a frame is none")
			return
		}
		switch {
		case f.method == control && f.headers["type"] == "ping" && f.service == serviceID:
			payload, _ := json.Marshal(s.clientConfig()) // numbers alone
			_ = c.write(ctx, wireFrame{service: serviceID, method: control, headers: map[string]string{"type": "pong"}, payload: payload})
		case f.method == dataFrame:
			c.acknowledge(f)
		}
	}
}

func (c *conn) write(ctx context.Context, f wireFrame) error {
	raw, err := f.marshal()
	if err != nil {
		return err
	}
	return c.ws.Write(ctx, websocket.MessageBinary, raw)
}

// acknowledge takes the application's answer to an event.
func (c *conn) acknowledge(f wireFrame) {
	var in struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(f.payload, &in) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if waits := c.waiting[f.headers["message_id"]]; waits != nil {
		select {
		case waits <- in.Code:
		default:
		}
	}
}

// frame gives an event to one of the application's connections, any one, and waits for its answer.
func (s *Sim) frame(ctx context.Context, a *app, id string, doc []byte) (t Try) {
	t = Try{At: s.opt.Now()}
	start := time.Now()
	defer func() { t.Took = time.Since(start) }()
	s.mu.Lock()
	var c *conn
	if len(a.conns) > 0 {
		c = a.conns[rand.N(len(a.conns))]
	}
	message := s.id("msg")
	s.mu.Unlock()
	if c == nil {
		t.Err = "the application holds no connection"
		return t
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.AckWithin)
	defer cancel()
	code, err := c.give(ctx, message, id, doc, s.opt.SplitAt)
	if err != nil {
		t.Err = err.Error()
	}
	t.Status = code
	return t
}

// give sends an event in as many frames as it needs and waits for the answer.
func (c *conn) give(ctx context.Context, message, id string, doc []byte, splitAt int) (int, error) {
	answered := make(chan int, 1)
	c.mu.Lock()
	c.waiting[message] = answered
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, message)
	}()
	pieces := slices.Collect(slices.Chunk(doc, max(1, splitAt)))
	if splitAt <= 0 {
		pieces = [][]byte{doc}
	}
	for i, piece := range pieces {
		err := c.write(ctx, wireFrame{service: serviceID, method: dataFrame, logID: 7, payload: piece, headers: map[string]string{
			"type": "event", "message_id": message, "trace_id": id, "sum": strconv.Itoa(len(pieces)), "seq": strconv.Itoa(i),
			"timestamp": strconv.FormatInt(time.Now().UnixMilli(), 10),
		}})
		if err != nil {
			return 0, err
		}
	}
	select {
	case code := <-answered:
		return code, nil
	case <-ctx.Done():
		return 0, errors.New("no answer in time")
	}
}

// Connections is how many connections an application holds.
func (s *Sim) Connections(appID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[appID]; a != nil {
		return len(a.conns)
	}
	return 0
}

// Drop cuts all connections of an application.
func (s *Sim) Drop(appID string) {
	s.mu.Lock()
	var cut []*conn
	if a := s.apps[appID]; a != nil {
		cut = slices.Clone(a.conns)
	}
	s.mu.Unlock()
	for _, c := range cut {
		_ = c.ws.CloseNow()
	}
}
