package feishu

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

// overConnection are the settings of a bot in mode stream.
func overConnection() map[string]any {
	return map[string]any{"mode": "stream", "encrypt_key": nil, "verification_token": nil}
}

// quick are times for tests.
func quick() times {
	return times{
		backoff: 20 * time.Millisecond, maxBackoff: 50 * time.Millisecond, steady: time.Minute, ping: time.Minute, pong: 5 * time.Second,
		store: 500 * time.Millisecond, again: 20 * time.Millisecond, drain: 3 * time.Second,
	}
}

// run starts a replica that holds a connection; the result ends it and waits.
func (w *world) run(t *testing.T, change func(*Stream, *channel.Deps)) (end func()) {
	t.Helper()
	d := w.deps()
	s, ok := newBot(t, d, overConnection()).(*Stream)
	if !ok {
		t.Fatal("no Stream")
	}
	s.within = quick()
	if change != nil {
		change(s, &d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(end)
	return end
}

func newStream(t *testing.T, opt sim.Options) *world {
	t.Helper()
	return newWorld(t, opt, func(a *sim.App) { a.Stream = true })
}

func (w *world) connected(t *testing.T, n int) {
	t.Helper()
	for began := time.Now(); w.sim.Connections(testApp) != n; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d connections, want %d", w.sim.Connections(testApp), n)
		}
	}
}

func TestConnection(t *testing.T) {
	for name, splitAt := range map[string]int{"in one frame": 0, "in many": 50} {
		t.Run(name, func(t *testing.T) {
			w := newStream(t, sim.Options{SplitAt: splitAt})
			w.run(t, nil)
			w.run(t, nil)
			w.connected(t, 2)
			for i := range 20 {
				if m := w.push(t, sim.Message{User: "ou_z", Text: fmt.Sprint("你好", i)}); m.Text != fmt.Sprint("你好", i) {
					t.Fatalf("accepted %+v", m)
				}
			}
			m := w.push(t, sim.Message{User: "ou_z", Group: "oc_g", At: true, Text: "你好"})
			if err := answer(t, w.replica(t, overConnection()), m, "好"); err != nil {
				t.Fatal(err)
			}
			w.await(t, "oc_g", 1)
		})
	}
}

// TestDropped: whoever is cut connects again; what came meanwhile comes then.
func TestDropped(t *testing.T) {
	w := newStream(t, sim.Options{Retries: slices.Repeat([]time.Duration{50 * time.Millisecond}, 400)})
	w.run(t, nil)
	w.connected(t, 1)
	w.sim.Drop(testApp)
	w.push(t, sim.Message{User: "ou_z", Text: "你好"})
}

// TestUnstored: an event is acknowledged when it is stored, and asked for again if it cannot be.
func TestUnstored(t *testing.T) {
	w := newStream(t, sim.Options{})
	w.run(t, nil)
	w.connected(t, 1)
	w.inbox.Fail(chat.E(chat.Unavailable, "inbox.accept", errors.New("redis is away")))
	posted, err := w.sim.Say(t.Context(), testApp, "ou_z", "你好")
	if err == nil || len(posted.Tries) != 3 || posted.Tries[0].Status != 500 {
		t.Fatalf("%v, tries %+v", err, posted.Tries)
	}
	w.inbox.Fail(nil)
	for range 2 {
		if _, err := w.sim.Push(t.Context(), testApp, posted.Message); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.inbox.Messages(); len(got) != 1 {
		t.Errorf("accepted %+v", got)
	}
}

// TestStoredLate: a store that fails for a moment costs no repetition.
func TestStoredLate(t *testing.T) {
	w := newStream(t, sim.Options{})
	w.run(t, func(s *Stream, _ *channel.Deps) { s.within.store = 20 * time.Second })
	w.connected(t, 1)
	w.inbox.Fail(chat.E(chat.Unavailable, "inbox.accept", errors.New("redis is away")))
	time.AfterFunc(50*time.Millisecond, func() { w.inbox.Fail(nil) })
	posted, err := w.sim.Say(t.Context(), testApp, "ou_z", "你好")
	if err != nil || len(posted.Tries) != 1 {
		t.Fatalf("%v, tries %+v", err, posted.Tries)
	}
}

// TestFinished: what is in hand when a replica leaves is stored and acknowledged.
func TestFinished(t *testing.T) {
	w := newStream(t, sim.Options{})
	slow := &slowInbox{Inbox: w.inbox, began: make(chan struct{}), wait: make(chan struct{})}
	end := w.run(t, func(s *Stream, _ *channel.Deps) { s.inbox = slow })
	w.connected(t, 1)
	posted := make(chan sim.Posted)
	go func() {
		p, _ := w.sim.Say(t.Context(), testApp, "ou_z", "你好")
		posted <- p
	}()
	<-slow.began
	time.AfterFunc(100*time.Millisecond, func() { close(slow.wait) })
	end()
	if p := <-posted; !p.Acked || len(p.Tries) != 1 {
		t.Errorf("tries %+v", p.Tries)
	}
}

type slowInbox struct {
	*channeltest.Inbox
	began, wait chan struct{}
}

func (s *slowInbox) Accept(ctx context.Context, m chat.Message) error {
	close(s.began)
	<-s.wait
	return s.Inbox.Accept(ctx, m)
}

// TestStranger: events of another application are not for this one.
func TestStranger(t *testing.T) {
	w := newStream(t, sim.Options{})
	w.run(t, nil)
	w.connected(t, 1)
	s, _ := w.replica(t, overConnection()).(*Stream)
	var e event
	if err := decode(document(by(func(a *sim.App) { a.AppID = "cli_other" }), sim.Message{ID: "om_1", User: "ou_z", Text: "好"}), &e); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.message(t.Context(), e); chat.KindOf(err) != chat.Forbidden {
		t.Error(err)
	}
}

// TestNoConnection: whatever the platform has against a connection, it is asked again, and its reason is known.
func TestNoConnection(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault sim.Fault
		kind  chat.Kind
	}{
		{"wrong secret", sim.Fault{Code: 514, Message: "auth"}, chat.Unauthenticated},
		{"forbidden", sim.Fault{Code: 403}, chat.Forbidden},
		{"busy", sim.Fault{Code: 1}, chat.Unavailable},
		{"a fault", sim.Fault{Code: 1000040343}, chat.Unavailable},
		{"too many", sim.Fault{Code: 1000040350}, chat.RateLimited},
		{"down", sim.Fault{Status: 503}, chat.Unavailable},
		{"elsewhere", sim.Fault{Body: `{"code":0,"data":{"URL":"ws://evil.example/ws?service_id=1"}}`}, chat.Forbidden},
		{"no address", sim.Fault{Body: `{"code":0,"data":{}}`}, chat.Forbidden},
		{"a ticket that is used up", sim.Fault{Body: `{"code":0,"data":{"URL":"%s/ws/v2?service_id=1&ticket=x"}}`}, chat.Unauthenticated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newStream(t, sim.Options{})
			s, _ := w.replica(t, overConnection()).(*Stream)
			tc.fault.API = "endpoint"
			if strings.Contains(tc.fault.Body, "%s") {
				tc.fault.Body = fmt.Sprintf(tc.fault.Body, strings.Replace(w.origin, "http", "ws", 1))
			}
			w.sim.Inject(tc.fault)
			err := s.serve(t.Context())
			if chat.KindOf(err) != tc.kind {
				t.Errorf("%v, want kind %v", err, tc.kind)
			}
			if strings.Contains(fmt.Sprint(err), "ticket") || strings.Contains(fmt.Sprint(err), testSecret) {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
}

// TestNear: the platform's connections are on a host beside its API's, and nowhere else.
func TestNear(t *testing.T) {
	for _, tc := range []struct {
		address, origin string
		ok              bool
	}{
		{"wss://msg-frontier.feishu.cn/ws/v2", "https://open.feishu.cn", true},
		{"wss://msg-frontier-sg.larksuite.com/ws/v2", "https://open.larksuite.com", true},
		{"ws://msg-frontier.feishu.cn/ws/v2", "https://open.feishu.cn", false},
		{"wss://msg-frontier.feishu.cn.evil.example/", "https://open.feishu.cn", false},
		{"wss://evilfeishu.cn/", "https://open.feishu.cn", false},
		{"wss://u@msg-frontier.feishu.cn/", "https://open.feishu.cn", false},
		{"https://msg-frontier.feishu.cn/", "https://open.feishu.cn", false},
		{"ws://127.0.0.1:1/", "http://127.0.0.1:2", true},
		{"ws://127.0.0.2:1/", "http://127.0.0.1:2", false},
		{"wss:///", "https://open.feishu.cn", false},
	} {
		u, err := url.Parse(tc.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := near(u, tc.origin); got != tc.ok {
			t.Errorf("%s beside %s: %v", tc.address, tc.origin, got)
		}
	}
}

// TestSilence: a platform that takes what is sent and says nothing is left.
func TestSilence(t *testing.T) {
	connects := make(chan struct{}, 100)
	mux := http.NewServeMux()
	silent := httptest.NewServer(mux)
	defer silent.Close()
	mux.HandleFunc("/callback/ws/endpoint", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"code":0,"data":{"URL":"%s/ws?service_id=1"}}`, strings.Replace(silent.URL, "http", "ws", 1))
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		connects <- struct{}{}
		for {
			if _, _, err := ws.Read(r.Context()); err != nil {
				return
			}
		}
	})
	w := &world{origin: silent.URL, inbox: &channeltest.Inbox{}, cache: channeltest.NewCache()}
	w.run(t, func(s *Stream, _ *channel.Deps) { s.within.pong = 50 * time.Millisecond })
	for range 3 {
		select {
		case <-connects:
		case <-time.After(20 * time.Second):
			t.Fatal("no further connection")
		}
	}
}

// TestHeard: a platform that answers is not left.
func TestHeard(t *testing.T) {
	w := newStream(t, sim.Options{PingInterval: time.Second})
	w.run(t, func(s *Stream, _ *channel.Deps) { s.within.pong = 5 * time.Second })
	w.connected(t, 1)
	time.Sleep(2500 * time.Millisecond)
	w.push(t, sim.Message{User: "ou_z", Text: "你好"})
	if n := w.sim.Stats().Calls["endpoint"]; n != 1 {
		t.Errorf("connected %d times", n)
	}
}

// TestOrder: what one person writes stays in its order, whatever the store does.
func TestOrder(t *testing.T) {
	w := newStream(t, sim.Options{})
	w.run(t, nil)
	w.connected(t, 1)
	for i := range 50 {
		w.push(t, sim.Message{User: fmt.Sprint("ou_", i%3), Text: fmt.Sprint(i)})
	}
	last := map[string]int{}
	for i, m := range w.inbox.Messages() {
		if i < last[m.User] {
			t.Errorf("%s came early", m.Text)
		}
		last[m.User] = i
	}
}
