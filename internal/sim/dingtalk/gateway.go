package dingtalk

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	topicMessages = "/v1.0/im/bot/messages/get"
	ticketLife    = 90 * time.Second
	maxLinks      = 50 // of one application
)

// ticket opens one connection.
type ticket struct {
	app     string
	expires time.Time
}

func (s *Sim) openConnection(_ *http.Request, body []byte) (int, any) {
	var q struct {
		Key    string                         `json:"clientId"`
		Secret string                         `json:"clientSecret"`
		Topics []struct{ Type, Topic string } `json:"subscriptions"`
	}
	if json.Unmarshal(body, &q) != nil || len(q.Topics) == 0 {
		return refuse(http.StatusBadRequest, "invalidParameter", "subscriptions 不能为空")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[q.Key]
	switch {
	case a == nil || a.Secret != q.Secret:
		return refuse(http.StatusUnauthorized, "authFailed", "鉴权失败")
	case len(a.links) >= maxLinks:
		return refuse(http.StatusBadRequest, "connectionLimit", "连接数超过限制")
	}
	id := rand.Text()
	s.tickets[id] = ticket{a.Key, s.opt.Now().Add(ticketLife)}
	return http.StatusOK, map[string]string{"endpoint": "ws" + strings.TrimPrefix(s.origin, "http") + "/connect", "ticket": id}
}

// link is a connection of Stream mode.
type link struct {
	conn *websocket.Conn
	end  context.CancelFunc

	mu      sync.Mutex
	waiting map[string]chan int // by messageId: takes the code of the acknowledgement
	deaf    bool                // frames are swallowed, as by a broken network
}

// frame is what goes down a connection.
type frame struct {
	Version string            `json:"specVersion"`
	Type    string            `json:"type"`
	Headers map[string]string `json:"headers"`
	Data    string            `json:"data"`
}

func (s *Sim) connect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	id := r.URL.Query().Get("ticket")
	t, ok := s.tickets[id]
	delete(s.tickets, id)
	a := s.apps[t.app]
	s.mu.Unlock()
	if !ok || a == nil || !s.opt.Now().Before(t.expires) {
		http.Error(w, "ticket invalid", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	ctx, end := context.WithCancel(context.Background())
	l := &link{conn: conn, end: end, waiting: map[string]chan int{}}
	s.mu.Lock()
	a.links[l] = true
	s.mu.Unlock()
	go s.keepAlive(ctx, l)
	l.read(ctx)
	s.mu.Lock()
	delete(a.links, l)
	s.mu.Unlock()
	end()
	_ = conn.CloseNow()
}

// keepAlive asks a connection whether it is there; one that does not echo is closed.
func (s *Sim) keepAlive(ctx context.Context, l *link) {
	tick := time.NewTicker(s.opt.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		code, err := l.ask(ctx, "SYSTEM", "ping", `{"opaque":"`+rand.Text()+`"}`, s.opt.PingEvery)
		if err != nil || code != http.StatusOK {
			l.end()
			_ = l.conn.CloseNow()
			return
		}
	}
}

// read takes acknowledgements until the connection ends.
func (l *link) read(ctx context.Context) {
	for {
		_, data, err := l.conn.Read(ctx)
		if err != nil {
			return
		}
		var up struct {
			Code    int               `json:"code"`
			Headers map[string]string `json:"headers"`
			Data    *string           `json:"data"`
		}
		// The gateway takes only frames whose data is a string.
		if json.Unmarshal(data, &up) != nil || up.Data == nil || up.Headers["messageId"] == "" {
			l.end()
			return
		}
		l.mu.Lock()
		c, deaf := l.waiting[up.Headers["messageId"]], l.deaf
		delete(l.waiting, up.Headers["messageId"])
		l.mu.Unlock()
		if c != nil && !deaf {
			c <- up.Code
		}
	}
}

// ask sends a frame and waits for its acknowledgement.
func (l *link) ask(ctx context.Context, kind, topic, data string, within time.Duration) (int, error) {
	id, code := rand.Text(), make(chan int, 1)
	l.mu.Lock()
	l.waiting[id] = code
	deaf := l.deaf
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if !deaf {
		if err := l.tell(ctx, kind, topic, id, data); err != nil {
			return 0, err
		}
	}
	select {
	case c := <-code:
		return c, nil
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.waiting, id)
		l.mu.Unlock()
		return 0, ctx.Err()
	}
}

// tell sends a frame. A write that is not done when ctx ends breaks the connection.
func (l *link) tell(ctx context.Context, kind, topic, id, data string) error {
	out, err := json.Marshal(frame{"1.0", kind, map[string]string{
		"topic": topic, "messageId": id, "contentType": "application/json", "time": strconv.FormatInt(time.Now().UnixMilli(), 10),
	}, data})
	if err != nil {
		return err
	}
	return l.conn.Write(ctx, websocket.MessageText, out)
}

// send makes one try in Stream mode: one connection of many gets the message.
func (s *Sim) send(ctx context.Context, a *app, doc []byte) (t Try) {
	began := time.Now()
	defer func() { t.Took = time.Since(began) }()
	within := cmp.Or(s.opt.AckWithin, time.Minute)
	l := s.anyLink(ctx, a, within)
	if l == nil {
		return Try{Err: "no connection"}
	}
	code, err := l.ask(ctx, "CALLBACK", topicMessages, string(doc), within)
	if err != nil {
		return Try{Err: err.Error()}
	}
	return Try{Status: code}
}

// anyLink picks a connection, and waits for one for a while.
func (s *Sim) anyLink(ctx context.Context, a *app, within time.Duration) *link {
	for end := time.Now().Add(within); ctx.Err() == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		for l := range a.links { // in no order
			s.mu.Unlock()
			return l
		}
		s.mu.Unlock()
	}
	return nil
}

// Links counts an application's connections.
func (s *Sim) Links(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[key]; a != nil {
		return len(a.links)
	}
	return 0
}

// Leave announces the end of all connections of an application and ends them a while later, as the platform does when it is deployed.
func (s *Sim) Leave(key string) error {
	return s.each(key, func(l *link) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = l.tell(ctx, "SYSTEM", "disconnect", rand.Text(), `{"reason":"persistent connection is out of date"}`)
		time.AfterFunc(s.opt.LeaveTime, func() { _ = l.conn.Close(websocket.StatusNormalClosure, "") })
	})
}

// Cut ends all connections of an application without a word.
func (s *Sim) Cut(key string) error {
	return s.each(key, func(l *link) { _ = l.conn.CloseNow() })
}

// Deafen makes the present connections of an application swallow everything.
func (s *Sim) Deafen(key string) error {
	return s.each(key, func(l *link) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.deaf = true
	})
}

func (s *Sim) each(key string, do func(*link)) error {
	a, err := s.app(key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	var links []*link
	for l := range a.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	if len(links) == 0 {
		return errors.New("no connection")
	}
	for _, l := range links {
		do(l)
	}
	return nil
}
