package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// event is one event of a stream as a browser sees it.
type event struct{ ID, Name, Data string }

// tab is an open stream.
type tab struct {
	t      *testing.T
	events chan event
	status int
	body   string
	cancel context.CancelFunc
}

// watch opens the browser's event stream; the channel of events is closed when the stream ends.
func (b *browser) watch(url string, header ...string) *tab {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	p := &tab{t: b.t, events: make(chan event, 64), status: res.StatusCode, cancel: cancel}
	if res.StatusCode != http.StatusOK {
		p.body = readAll(b.t, res)
		_ = res.Body.Close()
		close(p.events)
		return p
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
		b.t.Fatalf("Content-Type = %q", ct)
	}
	go func() {
		defer close(p.events)
		defer func() { _ = res.Body.Close() }()
		var e event
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			field, value, _ := strings.Cut(sc.Text(), ": ")
			switch {
			case sc.Text() == "":
				if e.Name != "" {
					p.events <- e
				}
				e = event{}
			case field == "id":
				e.ID = value
			case field == "event":
				e.Name = value
			case field == "data":
				e.Data = value
			}
		}
	}()
	return p
}

// next waits for the next event; the zero event says that the stream ended.
func (p *tab) next() event {
	p.t.Helper()
	select {
	case e := <-p.events:
		return e
	case <-time.After(30 * time.Second):
		p.t.Fatal("no event came")
		return event{}
	}
}

func (p *tab) want(name, contains string) event {
	p.t.Helper()
	e := p.next()
	if e.Name != name || !strings.Contains(e.Data, contains) {
		p.t.Fatalf("event = %+v, want %s with %q", e, name, contains)
	}
	return e
}

// answer sends text as the reply to m, as a worker of any replica does.
func answer(t *testing.T, c *Channel, m chat.Message, text string, unique int64) {
	t.Helper()
	parts, err := c.Parts(m, text, unique)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := c.Send(t.Context(), m, p); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *browser) say(url, id, text string) {
	b.t.Helper()
	if status, body, _ := b.do("POST", url+"/messages", fmt.Sprintf(`{"id":%q,"text":%q}`, id, text)); status != 200 {
		b.t.Fatalf("message = %d %s", status, body)
	}
}

func TestStream(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	url := serve(t, c).URL + "/chat/acme/web"
	b := newBrowser(t)
	b.do("GET", url, "")
	p := b.watch(url + "/events")
	p.want("ready", "{}")

	b.say(url, "m1", "问题")
	m := st.accepted()[0]
	st.setLive(m.Conversation, chat.Live{Message: m.ID, Rev: 1, Text: "答"})
	p.want("live", `{"message":"m1","text":"答"}`)
	st.setLive(m.Conversation, chat.Live{Message: m.ID, Rev: 2, Text: "答案还"})
	p.want("live", `"答案还"`)
	st.setLive(m.Conversation, chat.Live{Message: m.ID, Rev: 3, Text: "换了一个模型"}) // a fallback: replaced, not appended
	p.want("live", `"换了一个模型"`)
	answer(t, c, m, "答案在此", 1)
	st.setLive(m.Conversation, chat.Live{Message: m.ID, Rev: 4, Text: "答案在此", Done: true})
	e := p.want("part", `"text":"答案在此"`)
	if e.ID != "1-1" || !strings.Contains(e.Data, `"question":"问题"`) || !strings.Contains(e.Data, `"message":"m1"`) {
		t.Errorf("part = %+v", e)
	}
	b.say(url, "m2", "/help") // a command: no live text
	answer(t, c, st.accepted()[1], "帮助", 2)
	p.want("part", `"text":"帮助"`)
}

// A stream that broke goes on at another replica, with what it missed and nothing twice.
func TestStreamResumesOnAnyReplica(t *testing.T) {
	st := newStore()
	one, two := replica(t, st, tokenAccess(token1)), replica(t, st, tokenAccess(token1))
	srv := serve(t, one)
	url := srv.URL + "/chat/acme/web"
	b := newBrowser(t)
	login(b, srv.URL, token1)
	for i := range 3 {
		b.say(url, fmt.Sprint("m", i), fmt.Sprint("问", i))
	}
	asked := st.accepted()
	answer(t, one, asked[0], "答0", 1)
	answer(t, two, asked[1], "答1", 2)
	first := b.watch(url + "/events")
	first.want("part", "答0")
	last := first.want("part", "答1").ID
	first.cancel()

	srv.Config.Handler = two
	answer(t, one, asked[2], "答2", 3)
	for name, again := range map[string]*tab{
		"by header": b.watch(url+"/events", "Last-Event-ID", last),
		"by query":  b.watch(url + "/events?after=" + last),
	} {
		if e := again.next(); e.ID != "3-1" {
			t.Errorf("%s: first event after %s = %+v", name, last, e)
		}
		again.want("ready", "")
		answer(t, one, asked[2], "答2", 3) // a resend is not seen again
		again.cancel()
		if e := again.next(); e.Name != "" {
			t.Errorf("%s: then %+v", name, e)
		}
	}
}

// A store that lost everything, as an embedded one does at every start, counts from 1 again; an open page must not wait for 58.
func TestStreamAfterTheFeedBeganAnew(t *testing.T) {
	tests := []struct {
		name  string
		after string
		feed  []int64
		want  []string
	}{
		{"nothing new", "57-1", []int64{56, 57}, nil},
		{"something new", "57-1", []int64{56, 57, 58}, []string{"58-1"}},
		{"what it had was dropped", "57-1", []int64{100, 101}, []string{"100-1", "101-1"}},
		{"began anew", "57-1", []int64{1, 2}, []string{"1-1", "2-1"}},
		{"first visit", "", []int64{0, 9, 10}, []string{"0-1", "9-1", "10-1"}},
		{"from the oldest", "0", []int64{9, 10}, []string{"9-1", "10-1"}},
		{"an id beyond all", "9999999999999999999-1", []int64{1}, []string{"1-1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newStore()
			c := replica(t, st, openAccess())
			url := serve(t, c).URL + "/chat/acme/web"
			b := newBrowser(t)
			b.say(url, "m", "x")
			m := st.accepted()[0]
			for _, n := range tt.feed {
				answer(t, c, m, "答", n)
			}
			p := b.watch(url + "/events?after=" + tt.after)
			var got []string
			for e := p.next(); e.Name == "part"; e = p.next() {
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			next := max(tt.feed[len(tt.feed)-1], 0) + 1
			answer(t, c, m, "答", next)
			p.want("part", fmt.Sprintf(`"id":"%d-1"`, next))
		})
	}
	t.Run("empty at first", func(t *testing.T) {
		st := newStore()
		c := replica(t, st, openAccess())
		url := serve(t, c).URL + "/chat/acme/web"
		b := newBrowser(t)
		b.say(url, "m", "x")
		p := b.watch(url+"/events", "Last-Event-ID", "57-1")
		p.want("ready", "")
		answer(t, c, st.accepted()[0], "答", 1)
		p.want("part", `"1-1"`)
	})
}

func TestStreamsOfTwoBrowsersStayApart(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	url := serve(t, c).URL + "/chat/acme/web"
	anna, bao := newBrowser(t), newBrowser(t)
	anna.say(url, "m", "安娜的问题")
	bao.say(url, "m", "包的问题")
	for i, m := range st.accepted() {
		st.setLive(m.Conversation, chat.Live{Message: m.ID, Rev: 1, Text: m.Text})
		answer(t, c, m, "答"+m.Text, int64(i+1))
	}
	for text, b := range map[string]*browser{"安娜的问题": anna, "包的问题": bao} {
		p := b.watch(url + "/events")
		p.want("part", "答"+text)
		p.want("ready", "")
		p.want("live", text)
		p.cancel()
		for e := p.next(); e.Name != ""; e = p.next() {
			t.Errorf("%s: also saw %+v", text, e)
		}
	}
}

// The server that a channel runs behind bounds how long requests are read and answers are written; a stream outlives both.
func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	st := newStore()
	c := replica(t, st, openAccess())
	srv := httptest.NewUnstartedServer(c)
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 2*time.Second, 2*time.Second
	srv.Start()
	t.Cleanup(func() {
		_ = c.Close()
		srv.Close()
	})
	b := newBrowser(t)
	b.say(srv.URL+"/chat/acme/web", "m", "x")
	p := b.watch(srv.URL + "/chat/acme/web/events")
	p.want("ready", "")
	time.Sleep(5 * time.Second) // more than both
	answer(t, c, st.accepted()[0], "仍然到达", 1)
	p.want("part", "仍然到达")
}

func TestStreamSaysThatTheStoreIsDown(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	url := serve(t, c).URL + "/chat/acme/web"
	b := newBrowser(t)
	b.say(url, "m", "x")
	st.failWith(chat.E(chat.Unavailable, "redis", nil))
	p := b.watch(url + "/events")
	p.want("trouble", `"unavailable"`)
	st.failWith(nil)
	answer(t, c, st.accepted()[0], "仍然到达", 1)
	p.want("part", "仍然到达")
	p.want("ready", "")
}

func TestStreamRefusals(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	url := serve(t, c).URL + "/chat/acme/web/events"
	tests := []struct {
		name   string
		header []string
		want   int
		code   string
	}{
		{"another site's page", []string{"Sec-Fetch-Site", "cross-site"}, 403, "forbidden"},
		{"a neighbour's page", []string{"Sec-Fetch-Site", "same-site"}, 403, "forbidden"},
		{"an id of something else", []string{"Last-Event-ID", "1-1; DROP"}, 400, "invalid"},
		{"a huge id", []string{"Last-Event-ID", strings.Repeat("9", 40)}, 400, "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newBrowser(t).watch(url, tt.header...)
			if p.status != tt.want || code(t, p.body) != tt.code {
				t.Errorf("= %d %s, want %d %s", p.status, p.body, tt.want, tt.code)
			}
		})
	}
}

func TestStreamsAreBoundedAndEnd(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	url := serve(t, c).URL + "/chat/acme/web"
	b := newBrowser(t)
	b.do("GET", url, "")
	var open []*tab
	for range maxPerBrowser {
		p := b.watch(url + "/events")
		p.want("ready", "")
		open = append(open, p)
	}
	if p := b.watch(url + "/events"); p.status != 429 || code(t, p.body) != "rate_limited" {
		t.Errorf("one too many = %d %s", p.status, p.body)
	}
	other := newBrowser(t).watch(url + "/events")
	other.want("ready", "")

	open[0].cancel() // a browser that goes away makes room
	for deadline := time.Now().Add(30 * time.Second); ; {
		c.hub.mu.Lock()
		n := c.hub.count
		c.hub.mu.Unlock()
		if n == maxPerBrowser {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d streams open, want %d", n, maxPerBrowser)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // again is no harm
	for _, p := range append(open[1:], other) {
		if e := p.next(); e.Name != "" {
			t.Errorf("after Close: %+v", e)
		}
	}
	if p := b.watch(url + "/events"); p.status != 503 {
		t.Errorf("a stream of a closed channel = %d", p.status)
	}
}

// sink is a browser in memory.
type sink struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	fail error
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Body.String()
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	return s.ResponseRecorder.Write(b)
}

// A stream alone in a bubble of fake time: how often it looks, that it shows life, and that it ends.
func TestStreamRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore()
		c := replica(t, st, openAccess())
		v := newVisitor(c.doors[0])
		r := httptest.NewRequest("GET", "http://localhost/chat/acme/web/events", nil)
		w := httptest.NewRecorder()
		c.give(w, r, v)
		r.Header.Set("Cookie", strings.SplitN(w.Header().Get("Set-Cookie"), ";", 2)[0])
		out := &sink{ResponseRecorder: httptest.NewRecorder()}
		done := make(chan struct{})
		go func() {
			c.ServeHTTP(out, r)
			close(done)
		}()
		looks := func(during time.Duration) int {
			st.mu.Lock()
			before := st.reads
			st.mu.Unlock()
			time.Sleep(during)
			synctest.Wait()
			st.mu.Lock()
			defer st.mu.Unlock()
			return st.reads - before
		}
		got := map[string]int{}
		looks(settle)
		got["idle, a minute"] = looks(time.Minute)
		c.hub.tell(v.id, note{expect: "m1"})
		got["an answer awaited, a second"] = looks(time.Second)
		m := chat.Message{ID: storedID(v.id, "m1"), Conversation: c.key(v)}
		answer(t, c, m, "答", 1)
		looks(time.Second)
		got["answered, a minute"] = looks(time.Minute)
		looks(quiet)
		got["quiet, a minute"] = looks(time.Minute)
		answer(t, c, m, "立刻", 2)
		synctest.Wait() // no time passes
		if !strings.Contains(out.text(), "立刻") {
			t.Error("what this process sends is not shown at once")
		}
		st.setLive(c.key(v), chat.Live{Message: storedID(v.id, "m3"), Rev: 1, Text: "半"})
		c.hub.tell(v.id, note{expect: "m3"})
		looks(time.Second)
		answer(t, c, chat.Message{ID: storedID(v.id, "m3"), Conversation: c.key(v)}, "全部", 3)
		synctest.Wait()
		if !strings.Contains(out.text(), "全部") {
			t.Error("what this process sends while live text flows is not shown at once")
		}
		want := map[string]int{"idle, a minute": 60, "an answer awaited, a second": 8, "answered, a minute": 60, "quiet, a minute": 20}
		for k, n := range want {
			if got[k] < n-1 || got[k] > n+2 {
				t.Errorf("%s: %d looks, want about %d", k, got[k], n)
			}
		}
		time.Sleep(streamFor)
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("the stream outlives its time")
			_ = c.Close()
			<-done
		}
		if n := strings.Count(out.text(), ": \n\n"); n < 50 {
			t.Errorf("%d heartbeats in fifteen minutes", n)
		}
		if c.hub.count != 0 || len(c.hub.streams) != 0 {
			t.Errorf("%d streams left over", c.hub.count)
		}
	})
}

// An answer that never comes does not keep a stream fast for ever; a browser that is gone ends it.
func TestStreamGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replica(t, newStore(), openAccess())
		out := &sink{ResponseRecorder: httptest.NewRecorder()}
		s := &stream{
			c: c, key: c.key(newVisitor(c.doors[0])), w: out, rc: http.NewResponseController(out), news: make(chan note, 1),
			opened: time.Now(), active: time.Now(), expected: map[string]time.Time{"m": time.Now().Add(expectFor)},
		}
		if got := s.gap(); got != liveGap {
			t.Errorf("gap = %v while an answer is awaited", got)
		}
		time.Sleep(expectFor + time.Second)
		if got := s.gap(); got != quietGap {
			t.Errorf("gap = %v after waiting in vain", got)
		}
		out.fail = http.ErrHandlerTimeout
		s.run(t.Context()) // returns
	})
}

// The events of a whole conversation, as a page that is reloaded gets them.
func TestReloadShowsTheConversation(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	url := serve(t, c).URL + "/chat/acme/web"
	b := newBrowser(t)
	for i, q := range []string{"一", "/reset", "二"} {
		b.say(url, fmt.Sprint("m", i), q)
		answer(t, c, st.accepted()[i], "答"+q, int64(i+1))
	}
	p := b.watch(url + "/events")
	var got []string
	for e := p.next(); e.Name == "part"; e = p.next() {
		var x part
		if err := json.Unmarshal([]byte(e.Data), &x); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID+" "+x.Message+" "+x.Question+" "+x.Text)
	}
	want := []string{"1-1 m0 一 答一", "2-1 m1 /reset 答/reset", "3-1 m2 二 答二"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLiveChangedWakes: a stream that looks seldom shows live text at once when this process wrote it.
func TestLiveChangedWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{news: make(chan note, 1)}
		h := newHub(streamGauge(nil, "acme", "web"))
		s.key.ID = "browser"
		if err := h.add(s); err != nil {
			t.Fatal(err)
		}
		c := &Channel{hub: h}
		c.LiveChanged(chat.ConversationKey{Tenant: "acme", Channel: "web", ID: "another"})
		if len(s.news) != 0 {
			t.Error("another browser's text woke this one's stream")
		}
		c.LiveChanged(chat.ConversationKey{Tenant: "acme", Channel: "web", ID: "browser"})
		if n := <-s.news; n.sent || n.expect != "" {
			t.Errorf("got %+v", n)
		}
	})
}
