package dingtalk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

// quick are times for tests.
func quick() times {
	return times{
		backoff: 10 * time.Millisecond, maxBackoff: 100 * time.Millisecond, steady: time.Minute, ping: time.Hour, pong: time.Second,
		store: 5 * time.Second, again: 10 * time.Millisecond, drain: 2 * time.Second, overlap: 2 * time.Second,
	}
}

// listen starts one more process's channel in Stream mode; the result ends it and waits until it has.
func (s *stage) listen(change func(*times)) (end func()) {
	s.Helper()
	links := s.sim.Links(testKey)
	c := s.replica(map[string]any{"mode": "stream"}).(*Stream)
	c.within = quick()
	if change != nil {
		change(&c.within)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	end = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	s.Cleanup(end)
	s.eventually("connected", func() bool { return s.sim.Links(testKey) > links })
	return end
}

// say lets a person write, and checks that it was acknowledged, in how many tries.
func (s *stage) say(user, text string, tries int) {
	s.Helper()
	p, err := s.sim.Say(s.Context(), testKey, user, text)
	s.must(err)
	if !p.Acked || tries > 0 && len(p.Tries) != tries {
		s.Errorf("%s: %+v", text, p.Tries)
	}
}

func (s *stage) stored() (texts []string) {
	for _, m := range s.inbox.Messages() {
		texts = append(texts, m.Text)
	}
	return texts
}

func TestStream(t *testing.T) {
	s := newStage(t, sim.Options{})
	s.listen(nil)
	for i := range 100 {
		s.say("zhang", fmt.Sprint("问", i), 1)
	}
	if got := s.stored(); len(got) != 100 || got[0] != "问0" || got[99] != "问99" {
		t.Errorf("%d stored", len(got))
	}
	if m := s.inbox.Messages()[0]; m.Kind != chat.KindText || m.Conversation.ID != "p/zhang" || addressOf(m).Webhook == "" {
		t.Errorf("%+v", m)
	}
	if n := s.metric("parley_dingtalk_connected"); n != 1 {
		t.Errorf("%v connections", n)
	}
}

// Many at once, over two replicas: none is lost, and those of one person stay in order on each connection.
func TestStreamOfMany(t *testing.T) {
	s := newStage(t, sim.Options{})
	s.listen(nil)
	s.listen(nil)
	var wg sync.WaitGroup
	for p := range 50 {
		wg.Go(func() {
			for i := range 10 {
				s.say(fmt.Sprint("p", p), fmt.Sprint(p, "-", i), 1)
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for _, m := range s.inbox.Messages() {
		if want := fmt.Sprint(m.User[1:], "-", next[m.User]); m.Text != want {
			t.Fatalf("%s, want %s", m.Text, want)
		}
		next[m.User]++
	}
	if len(s.stored()) != 500 {
		t.Errorf("%d stored", len(s.stored()))
	}
}

// Nothing is acknowledged before it is stored; while the store is away a message is kept and tried again.
func TestStreamWithoutStore(t *testing.T) {
	s := newStage(t, sim.Options{AckWithin: 10 * time.Second})
	s.listen(nil)
	s.inbox.Fail(chat.E(chat.Unavailable, "store", nil))
	said := make(chan sim.Posted, 1)
	go func() {
		p, _ := s.sim.Say(context.Background(), testKey, "zhang", "问")
		said <- p
	}()
	select {
	case p := <-said:
		t.Fatalf("acknowledged before it was stored: %+v", p)
	case <-time.After(300 * time.Millisecond):
	}
	s.inbox.Fail(nil)
	if p := <-said; !p.Acked || len(p.Tries) != 1 {
		t.Errorf("%+v", p)
	}
}

// A message that cannot be stored for long is refused in the end, and the operator hears of it.
func TestStreamGivesUpAMessage(t *testing.T) {
	s := newStage(t, sim.Options{Tries: 2})
	s.listen(func(w *times) { w.store = 50 * time.Millisecond })
	s.inbox.Fail(chat.E(chat.Unavailable, "store", nil))
	p, err := s.sim.Say(t.Context(), testKey, "zhang", "一句私话")
	s.must(err)
	if p.Acked || len(p.Tries) != 2 || p.Tries[0].Status != ackUnstored {
		t.Errorf("%+v", p.Tries)
	}
	if n := s.metric("parley_dingtalk_unstored_total"); n != 2 {
		t.Errorf("counted %v", n)
	}
	if log := s.log.String(); !strings.Contains(log, "could not be stored") || strings.Contains(log, "私话") {
		t.Error(log)
	}
}

func TestStreamRefuses(t *testing.T) {
	s := newStage(t, sim.Options{Tries: 1})
	s.listen(nil)
	p, err := s.sim.Push(t.Context(), testKey, sim.Message{User: "zhang", Text: "问", Webhook: "https://evil.example/x"})
	s.must(err)
	if p.Acked || p.Tries[0].Status != ackStrange || len(s.stored()) > 0 {
		t.Errorf("%+v, stored %v", p.Tries, s.stored())
	}
	s.say("zhang", "再问", 1)
}

// A connection that breaks is opened again, and what was under way comes again.
func TestStreamReconnects(t *testing.T) {
	s := newStage(t, sim.Options{AckWithin: time.Second, Tries: 30})
	s.listen(nil)
	for i := range 5 {
		s.must(s.sim.Cut(testKey))
		s.say("zhang", fmt.Sprint("问", i), 0)
	}
	if got := s.stored(); len(got) != 5 {
		t.Errorf("stored %v", got)
	}
	s.eventually("connected again", func() bool {
		return s.metric("parley_dingtalk_connects_total") >= 2 && s.metric("parley_dingtalk_connected") == 1
	})
}

// An announced end loses nothing: the next connection is open before the old one is closed.
func TestStreamMovesWhenAsked(t *testing.T) {
	s := newStage(t, sim.Options{LeaveTime: 3 * time.Second})
	s.listen(func(w *times) { w.overlap = 20 * time.Second })
	for round := range 3 {
		s.must(s.sim.Leave(testKey))
		s.eventually("two connections", func() bool { return s.sim.Links(testKey) == 2 })
		s.say("zhang", fmt.Sprint("问", round), 1)
		s.eventually("one connection", func() bool { return s.sim.Links(testKey) == 1 })
	}
}

// One that announces its end and does not end is left after a while.
func TestStreamLeavesByItself(t *testing.T) {
	s := newStage(t, sim.Options{LeaveTime: time.Hour})
	s.listen(func(w *times) { w.overlap = 50 * time.Millisecond })
	s.must(s.sim.Leave(testKey))
	s.eventually("moved", func() bool { return s.sim.Links(testKey) == 1 && s.metric("parley_dingtalk_connects_total") == 2 })
}

// In the end what is in hand is stored and acknowledged.
func TestStreamEnds(t *testing.T) {
	s := newStage(t, sim.Options{Tries: 1})
	end := s.listen(nil)
	s.inbox.Fail(chat.E(chat.Unavailable, "store", nil))
	said := make(chan sim.Posted, 1)
	go func() {
		p, _ := s.sim.Say(context.Background(), testKey, "zhang", "问")
		said <- p
	}()
	time.Sleep(300 * time.Millisecond) // by then it is in hand
	time.AfterFunc(200*time.Millisecond, func() { s.inbox.Fail(nil) })
	end()
	if p := <-said; !p.Acked {
		t.Errorf("%+v", p.Tries)
	}
	if s.metric("parley_dingtalk_connected") != 0 {
		t.Error("a connection is left")
	}
}

// A store that is away holds the end up no longer than agreed.
func TestStreamEndsWithoutStore(t *testing.T) {
	s := newStage(t, sim.Options{Tries: 1, AckWithin: 500 * time.Millisecond})
	end := s.listen(func(w *times) { w.store, w.drain = time.Hour, 100*time.Millisecond })
	s.inbox.Hang()
	for i := range 2 * lanes * laneDepth { // more than fits
		go func() { _, _ = s.sim.Say(context.Background(), testKey, "zhang", fmt.Sprint(i)) }()
	}
	s.eventually("some are in hand", func() bool { return strings.Contains(s.log.String(), "connected") })
	time.Sleep(200 * time.Millisecond)
	done := make(chan struct{})
	go func() {
		end()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// A platform that is silent is left: its side of the connection takes everything and answers nothing.
func TestStreamLeavesASilentPlatform(t *testing.T) {
	s := newStage(t, sim.Options{})
	opened := make(chan struct{}, 10)
	hold := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/connect" {
			fmt.Fprintf(w, `{"endpoint":"ws://%s/connect","ticket":"t/+="}`, r.Host)
			return
		}
		if got := r.URL.Query().Get("ticket"); got != "t/+=" {
			t.Errorf("ticket %q", got)
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		opened <- struct{}{}
		<-hold // nothing is read, so no ping is answered
	}))
	defer silent.Close()
	defer close(hold)
	d := s.deps()
	d.Origins.DingTalk = silent.URL
	c := newRobot(t, d, map[string]any{"mode": "stream"}).(*Stream)
	c.within = quick()
	c.within.ping, c.within.pong = 20*time.Millisecond, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	for range 3 {
		select {
		case <-opened:
		case <-time.After(20 * time.Second):
			t.Fatal("no further connection")
		}
	}
	cancel()
	wg.Wait()
}

// What is wrong with the way to the platform is said, without the secret or the ticket, and tried again ever more seldom.
func TestStreamCannotConnect(t *testing.T) {
	s := newStage(t, sim.Options{})
	for name, tc := range map[string]struct {
		fault sim.Fault
		says  string
	}{
		"refused":            {sim.Fault{Status: 401, Body: `{"code":"authFailed","message":"` + testSecret + `"}`}, "authFailed"},
		"not JSON":           {sim.Fault{Body: "<html></html>"}, "blocks this address"},
		"no endpoint":        {sim.Fault{Body: `{}`}, "no endpoint"},
		"an endpoint abroad": {sim.Fault{Body: `{"endpoint":"wss://evil.example/connect","ticket":"the-ticket"}`}, "does not belong to platforms.dingtalk"},
		"nobody there":       {sim.Fault{Body: `{"endpoint":"ws://127.0.0.1:1/connect","ticket":"the-ticket"}`}, "connection refused"},
		"no websocket":       {sim.Fault{Body: `{"endpoint":"` + strings.Replace(s.origin, "http", "ws", 1) + `/files/x","ticket":"the-ticket"}`}, "101"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{T: t, sim: s.sim, origin: s.origin, inbox: s.inbox, cache: s.cache, reg: s.reg, log: &lines{}}
			tc.fault.API, tc.fault.Times = pathOpen, -1
			s.sim.Inject(tc.fault)
			defer s.sim.Heal()
			c := s.replica(map[string]any{"mode": "stream"}).(*Stream)
			c.within = quick()
			before := s.sim.Calls(pathOpen)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(500*time.Millisecond, func() {
				for end := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), tc.says) && time.Now().Before(end); {
					time.Sleep(10 * time.Millisecond)
				}
				cancel()
			})
			c.Run(ctx)
			log := s.log.String()
			if !strings.Contains(log, tc.says) || strings.Contains(log, testSecret) || strings.Contains(log, "the-ticket") {
				t.Errorf("said:\n%s", log)
			}
			if n := s.sim.Calls(pathOpen) - before; n > 100 || n < 1 {
				t.Errorf("%d tries", n)
			}
		})
	}
}

func TestNear(t *testing.T) {
	for _, tc := range []struct {
		endpoint, origin string
		want             bool
	}{
		{"wss://wss-open-connection.dingtalk.com:443/connect", "https://api.dingtalk.com", true},
		{"wss://WSS-open-connection-union.DingTalk.com/connect", "https://api.dingtalk.com", true},
		{"ws://wss-open-connection.dingtalk.com/connect", "https://api.dingtalk.com", false},
		{"https://wss-open-connection.dingtalk.com/connect", "https://api.dingtalk.com", false},
		{"wss://dingtalk.com.evil.example/connect", "https://api.dingtalk.com", false},
		{"wss://evildingtalk.com/connect", "https://api.dingtalk.com", false},
		{"wss://u@a.dingtalk.com/connect", "https://api.dingtalk.com", false},
		{"ws://127.0.0.1:9/connect", "http://127.0.0.1:8", true},
		{"ws://128.0.0.1:9/connect", "http://127.0.0.1:8", false},
		{"ws://1.0.0.1/connect", "http://127.0.0.1", false},
		{"wss://evil.com/connect", "https://ding.com", false},
		{"", "https://api.dingtalk.com", false},
	} {
		u, err := url.Parse(tc.endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got := near(u, tc.origin); got != tc.want {
			t.Errorf("near(%q, %q) = %v", tc.endpoint, tc.origin, got)
		}
	}
}
