package wecom

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var ref = Ref{CorpID: "ww1", AgentID: 1000002}

func testApp() App {
	return App{Ref: ref, Secret: "right", Token: "token", AESKey: strings.Repeat("a", 43)}
}

// clock is the platform's, moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type bench struct {
	*Sim
	*clock
	t   *testing.T
	url string
}

func newBench(t *testing.T, opt Options, app App) *bench {
	t.Helper()
	c := &clock{now: time.Unix(1795348800, 0)}
	opt.Now = c.Now
	s := New(opt)
	if err := s.AddApp(app); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return &bench{Sim: s, clock: c, t: t, url: server.URL}
}

// call asks the API.
func (b *bench) call(method, path, body string) (a answer) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) token() string {
	b.t.Helper()
	a := b.call("GET", "/cgi-bin/gettoken?corpid=ww1&corpsecret=right", "")
	if a.Code != 0 || a.AccessToken == "" {
		b.t.Fatalf("gettoken: %+v", a)
	}
	return a.AccessToken
}

func (b *bench) send(body string) answer {
	b.t.Helper()
	return b.call("POST", "/cgi-bin/message/send?access_token="+b.token(), body)
}

func text(user, content, more string) string {
	c, _ := json.Marshal(content)
	return `{"touser":"` + user + `","msgtype":"text","agentid":1000002,"text":{"content":` + string(c) + `}` + more + `}`
}

func (b *bench) read(user string) (texts []string) {
	for _, s := range b.Shown(ref, user) {
		texts = append(texts, s.Content)
	}
	return texts
}

func TestGetToken(t *testing.T) {
	b := newBench(t, Options{}, testApp())
	for path, code := range map[string]int64{
		"corpid=ww1&corpsecret=wrong": 40001, "corpid=none&corpsecret=right": 40013, "": 40013, "corpid=ww1": 40001,
	} {
		if a := b.call("GET", "/cgi-bin/gettoken?"+path, ""); a.Code != code || a.AccessToken != "" {
			t.Errorf("%s: %+v, want %d", path, a, code)
		}
	}
	first := b.call("GET", "/cgi-bin/gettoken?corpid=ww1&corpsecret=right", "")
	if first.ExpiresIn != 7200 {
		t.Errorf("lives %d s", first.ExpiresIn)
	}
	b.add(time.Hour)
	if again := b.call("GET", "/cgi-bin/gettoken?corpid=ww1&corpsecret=right", ""); again.AccessToken != first.AccessToken || again.ExpiresIn != 3600 {
		t.Errorf("an hour later: %+v", again)
	}
	b.add(2 * time.Hour)
	if a := b.call("POST", "/cgi-bin/message/send?access_token="+first.AccessToken, text("zhang", "a", "")); a.Code != 42001 {
		t.Errorf("an expired token: %+v", a)
	}
	second := b.token()
	if err := b.Revoke(ref); err != nil {
		t.Fatal(err)
	}
	if a := b.call("POST", "/cgi-bin/message/send?access_token="+second, text("zhang", "a", "")); a.Code != 40014 {
		t.Errorf("a revoked token: %+v", a)
	}
	if third := b.token(); third == second || second == first.AccessToken {
		t.Error("a token came back")
	}
	if n := b.Stats().Calls["gettoken"]; n != 8 {
		t.Errorf("counted %d calls of gettoken, want 8", n)
	}
}

func TestSendChecks(t *testing.T) {
	app := testApp()
	app.Users = []string{"zhang", "li"}
	b := newBench(t, Options{}, app)
	for _, tc := range []struct {
		name, body string
		code       int64
		invalid    string
		shown      int // to zhang
	}{
		{"a text", text("zhang", "a", ""), 0, "", 1},
		{"agentid as a string", strings.Replace(text("zhang", "a", ""), "1000002", `"1000002"`, 1), 0, "", 1},
		{"markdown", `{"touser":"zhang","msgtype":"markdown","agentid":1000002,"markdown":{"content":"**a**"}}`, 0, "", 1},
		{"two, one unknown", text("zhang|wang", "a", ""), 0, "wang", 1},
		{"everybody", text("@all", "a", ""), 0, "", 1},
		{"unknown only", text("wang", "a", ""), 81013, "", 0},
		{"nobody", text("", "a", ""), 40003, "", 0},
		{"another agent", strings.Replace(text("zhang", "a", ""), "1000002", "7", 1), 301002, "", 0},
		{"no agent", `{"touser":"zhang","msgtype":"text","text":{"content":"a"}}`, 40056, "", 0},
		{"an unknown kind", `{"touser":"zhang","msgtype":"hologram","agentid":1000002}`, 40008, "", 0},
		{"empty", text("zhang", " ", ""), 44004, "", 0},
		{"no content", `{"touser":"zhang","msgtype":"text","agentid":1000002}`, 44004, "", 0},
		{"no JSON", `touser=zhang`, 47001, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(b.Shown(ref, "zhang"))
			a := b.send(tc.body)
			if a.Code != tc.code || a.InvalidUser != tc.invalid || len(b.Shown(ref, "zhang"))-before != tc.shown {
				t.Errorf("%+v, shown %d; want code %d, invalid %q, shown %d", a, len(b.Shown(ref, "zhang"))-before, tc.code, tc.invalid, tc.shown)
			}
		})
	}
	if a := b.call("POST", "/cgi-bin/message/send", text("zhang", "a", "")); a.Code != 41001 {
		t.Errorf("without a token: %+v", a)
	}
	if a := b.call("POST", "/cgi-bin/message/send?access_token=x", text("zhang", "a", "")); a.Code != 40014 {
		t.Errorf("with an invented token: %+v", a)
	}
}

func TestTruncation(t *testing.T) {
	b := newBench(t, Options{}, testApp())
	b.send(text("zhang", strings.Repeat("一", 682)+"ab", "")) // exactly 2,048 bytes
	b.send(text("zhang", strings.Repeat("一", 683), ""))      // one too many
	shown := b.Shown(ref, "zhang")
	if shown[0].Truncated || len(shown[0].Content) != 2048 {
		t.Errorf("the first has %d bytes, truncated %v", len(shown[0].Content), shown[0].Truncated)
	}
	if !shown[1].Truncated || shown[1].Content != strings.Repeat("一", 682) {
		t.Errorf("the second has %d bytes, truncated %v", len(shown[1].Content), shown[1].Truncated)
	}
}

func TestDuplicateCheck(t *testing.T) {
	const check = `,"enable_duplicate_check":1,"duplicate_check_interval":`
	for _, tc := range []struct {
		name          string
		first, second string
		after         time.Duration
		byContent     bool
		shown         int
	}{
		{"no check", text("z", "a", ""), text("z", "a", ""), 0, false, 2},
		{"within the interval", text("z", "a", check+"1800"), text("z", "a", check+"1800"), 1799 * time.Second, false, 1},
		{"after it", text("z", "a", check+"1800"), text("z", "a", check+"1800"), 1800 * time.Second, false, 2},
		{"within the default", text("z", "a", `,"enable_duplicate_check":1`), text("z", "a", `,"enable_duplicate_check":1`), 1799 * time.Second, false, 1},
		{"an interval over 4 h", text("z", "a", check+"99999"), text("z", "a", check+"99999"), 4 * time.Hour, false, 2},
		{"other text", text("z", "a", check+"1800"), text("z", "b", check+"1800"), 0, false, 2},
		{"another person", text("z", "a", check+"1800"), text("y", "a", check+"1800"), 0, false, 1},
		{"another interval", text("z", "a", check+"1800"), text("z", "a", check+"1801"), 0, false, 2},
		{"another interval, if only content counts", text("z", "a", check+"1800"), text("z", "a", check+"1801"), 0, true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, Options{ByContent: tc.byContent}, testApp())
			first := b.send(tc.first)
			b.add(tc.after)
			second := b.send(tc.second)
			if first.Code != 0 || second.Code != 0 || second.MsgID == "" {
				t.Errorf("%+v, %+v", first, second)
			}
			if n := len(b.Shown(ref, "z")); n != tc.shown {
				t.Errorf("shown %d, want %d", n, tc.shown)
			}
			if n := len(b.Shown(ref, "z")) + len(b.Lost(ref, "z")) + len(b.Shown(ref, "y")); n != 2 {
				t.Errorf("the ledger holds %d of 2", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t, Options{PerMinute: 3, PerHour: 5}, testApp())
	var fates []Fate
	for range 3 {
		for range 4 {
			if a := b.send(text("z", "a", "")); a.Code != 0 {
				t.Fatalf("a dropped message must look sent: %+v", a)
			}
		}
		b.add(time.Minute + time.Second)
	}
	for _, s := range b.Lost(ref, "z") {
		fates = append(fates, s.Fate)
	}
	want := []Fate{FatePerMinute, FatePerHour, FatePerHour, FatePerHour, FatePerHour, FatePerHour, FatePerHour}
	if diff := cmp.Diff(want, fates); diff != "" || len(b.Shown(ref, "z")) != 5 {
		t.Errorf("shown %d (-want +got):\n%s", len(b.Shown(ref, "z")), diff)
	}
	b.add(time.Hour)
	if b.send(text("z", "b", "")); len(b.Shown(ref, "z")) != 6 {
		t.Error("an hour later the limit still holds")
	}
	free := newBench(t, Options{PerMinute: -1, PerHour: -1}, testApp())
	for range 50 {
		free.send(text("z", "a", ""))
	}
	if n := len(free.Shown(ref, "z")); n != 50 {
		t.Errorf("without limits shown %d of 50", n)
	}
}

func TestFaults(t *testing.T) {
	b := newBench(t, Options{}, testApp())
	b.Inject(Fault{API: "message/send", Code: 45009, Message: "freq", Times: 2})
	b.Inject(Fault{API: "message/send", InvalidUser: true})
	var codes []int64
	var invalid []string
	for range 4 {
		a := b.send(text("Zhang", "a", ""))
		codes, invalid = append(codes, a.Code), append(invalid, a.InvalidUser)
	}
	if diff := cmp.Diff([]int64{45009, 45009, 0, 0}, codes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "", "zhang", ""}, invalid); diff != "" {
		t.Error(diff)
	}
	b.Inject(Fault{API: "gettoken", Status: 500, Times: -1})
	for range 3 {
		resp, err := http.Get(b.url + "/cgi-bin/gettoken")
		if err != nil || resp.StatusCode != 500 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	b.Heal()
	for user, f := range map[string]Fault{"li": {Lose: true}, "wang": {Hang: true}, "zhao": {Drip: time.Minute}} {
		f.API = "message/send"
		b.Inject(f)
		client := http.Client{Timeout: 200 * time.Millisecond}
		resp, err := client.Post(b.url+"/cgi-bin/message/send?access_token="+b.token(), "", strings.NewReader(text(user, "a", "")))
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%+v: an answer came", f)
		}
		if diff := cmp.Diff([]string{"a"}, b.read(user)); diff != "" {
			t.Error(diff)
		}
	}
	b.Inject(Fault{API: "message/send", Drip: time.Microsecond})
	if a := b.send(text("sun", "a", "")); a.Code != 0 || a.MsgID == "" {
		t.Errorf("a slow answer is not whole: %+v", a)
	}
}

func TestAdmin(t *testing.T) {
	b := newBench(t, Options{Tries: 1, AckWithin: time.Minute}, testApp())
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200) }))
	defer callback.Close()
	ask := func(method, path string, in any) (int, []byte) {
		body, _ := json.Marshal(in)
		if s, ok := in.(string); ok {
			body = []byte(s)
		}
		req, _ := http.NewRequestWithContext(t.Context(), method, b.url+path, bytes.NewReader(body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, out
	}
	app := testApp()
	app.Callbacks = []string{callback.URL}
	if status, out := ask("POST", "/admin/apps", app); status != 204 {
		t.Fatalf("%d %s", status, out)
	}
	var posted Posted
	status, out := ask("POST", "/admin/push", map[string]any{"corp_id": "ww1", "agent_id": 1000002, "user": "zhang", "text": "你好"})
	if err := json.Unmarshal(out, &posted); err != nil || status != 200 || !posted.Acked || posted.Text != "你好" || posted.ID == "" {
		t.Errorf("%d %s", status, out)
	}
	b.send(text("zhang", "您好", ""))
	about := "?" + url.Values{"corp_id": {"ww1"}, "agent_id": {"1000002"}, "user": {"zhang"}}.Encode()
	for path, want := range map[string]string{
		"/admin/shown" + about: "您好", "/admin/posted" + about: posted.ID, "/admin/people" + about: `["zhang"]`,
		"/admin/lost" + about: "null", "/admin/stats": `"acked":1`,
	} {
		if status, out := ask("GET", path, nil); status != 200 || !strings.Contains(string(out), want) {
			t.Errorf("%s: %d %s, want %s", path, status, out, want)
		}
	}
	for _, tc := range []struct{ path, body, says string }{
		{"/admin/push", "{", "EOF"},
		{"/admin/push", `{"corp":"x"}`, "unknown field"},
		{"/admin/push", `{"corp_id":"x","user":"a"}`, "no application x/0"},
		{"/admin/apps", `{"aes_key":"short"}`, "aes_key"},
		{"/admin/faults", `{"api":"none"}`, "api: must be"},
		{"/admin/verify", `{"corp_id":"ww1","agent_id":1000002}`, "did not verify"},
		{"/admin/revoke", `{}`, "no application"},
	} {
		if status, out := ask("POST", tc.path, tc.body); status != 400 || !strings.Contains(string(out), tc.says) {
			t.Errorf("%s %s: %d %s", tc.path, tc.body, status, out)
		}
	}
	if status, _ := ask("GET", "/admin/shown?agent_id=x", nil); status != 400 {
		t.Errorf("status %d", status)
	}
}

func TestAwait(t *testing.T) {
	var seen []string
	b := newBench(t, Options{OnShown: func(s Sent) { seen = append(seen, s.Content) }}, testApp())
	done := make(chan []Sent)
	go func() {
		shown, _ := b.Await(t.Context(), ref, "zhang", 2)
		done <- shown
	}()
	b.send(text("li", "x", ""))
	b.send(text("zhang", "a", ""))
	b.send(text("zhang", "b", ""))
	if shown := <-done; len(shown) != 2 || shown[1].Content != "b" {
		t.Errorf("%+v", shown)
	}
	if diff := cmp.Diff([]string{"x", "a", "b"}, seen); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Await(ctx, ref, "zhang", 3); err == nil || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("error %v", err)
	}
}
