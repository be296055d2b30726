package kf

import (
	"bytes"
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

	"parley/internal/sim/wecom"
)

const wk = "wk1"

var ref = wecom.Ref{CorpID: "ww1", AgentID: 9}

// bench is a platform with one account whose clock is moved by hand.
type bench struct {
	*Sim
	t        *testing.T
	platform *wecom.Sim
	url      string
	token    string
	rung     []string // documents that came to the callback, sealed
	mu       sync.Mutex
	now      time.Time
}

func (b *bench) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) add(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func newBench(t *testing.T, opt Options) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Unix(1795348800, 0)}
	callback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rung = append(b.rung, string(body))
	}))
	t.Cleanup(callback.Close)
	opt.Now = b.Now
	b.platform = wecom.New(wecom.Options{Now: b.Now, Tries: 1, TokenLife: 1000 * time.Hour})
	app := wecom.App{Ref: ref, Secret: "right", Token: "token", AESKey: strings.Repeat("a", 43), Callbacks: []string{callback.URL}}
	if err := b.platform.AddApp(app); err != nil {
		t.Fatal(err)
	}
	b.Sim = New(b.platform, opt)
	b.AddAccount(Account{Ref: ref, OpenKFID: wk, Name: "售后"})
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	b.url = server.URL
	b.token = b.get("/cgi-bin/gettoken?corpid=ww1&corpsecret=right")["access_token"].(string)
	return b
}

func (b *bench) get(path string) map[string]any {
	b.t.Helper()
	resp, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.decode(resp)
}

func (b *bench) decode(resp *http.Response) (a map[string]any) {
	b.t.Helper()
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		b.t.Fatal(err)
	}
	return a
}

// call asks the customer service's API.
func (b *bench) call(name string, in any) map[string]any {
	b.t.Helper()
	body, _ := json.Marshal(in)
	if s, ok := in.(string); ok {
		body = []byte(s)
	}
	resp, err := http.Post(b.url+"/cgi-bin/kf/"+name+"?"+url.Values{"access_token": {b.token}}.Encode(), "application/json", bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.decode(resp)
}

func (b *bench) code(name string, in any) int {
	b.t.Helper()
	return int(b.call(name, in)["errcode"].(float64))
}

func (b *bench) say(user, text string) {
	b.t.Helper()
	if p, err := b.Say(b.t.Context(), wk, user, text); err != nil || !p.Acked || p.ID == "" {
		b.t.Fatal(p, err)
	}
}

// bellToken is what a fresh callback would carry.
func (b *bench) bellToken() string {
	b.t.Helper()
	_, rest, ok := strings.Cut(b.Bell(Account{Ref: ref, OpenKFID: wk}), "<Token><![CDATA[")
	token, _, found := strings.Cut(rest, "]]>")
	if !ok || !found {
		b.t.Fatal("no token")
	}
	return token
}

func text(user, id, content string) map[string]any {
	return map[string]any{"touser": user, "open_kfid": wk, "msgid": id, "msgtype": "text", "text": map[string]any{"content": content}}
}

func TestSync(t *testing.T) {
	b := newBench(t, Options{EmptyPages: true})
	for _, s := range []string{"一", "二", "三", "四", "五"} {
		b.say("wm1", s)
	}
	if len(b.rung) != 5 || strings.Contains(strings.Join(b.rung, ""), "一") || !strings.Contains(b.rung[0], "<Encrypt>") {
		t.Errorf("the callbacks are %q", b.rung)
	}
	token, cursor := b.bellToken(), ""
	var got []string
	empty := 0
	for more := true; more; {
		a := b.call("sync_msg", map[string]any{"open_kfid": wk, "token": token, "cursor": cursor, "limit": 2})
		cursor, more = a["next_cursor"].(string), a["has_more"].(float64) == 1
		for _, m := range a["msg_list"].([]any) {
			got = append(got, m.(map[string]any)["text"].(map[string]any)["content"].(string))
		}
		if len(a["msg_list"].([]any)) == 0 {
			empty++
		}
	}
	if diff := cmp.Diff([]string{"一", "二", "三", "四", "五"}, got); diff != "" || empty == 0 {
		t.Error(diff, "empty pages:", empty)
	}
	b.add(4 * 24 * time.Hour)
	b.say("wm1", "六")
	if n := len(b.call("sync_msg", map[string]any{"open_kfid": wk, "token": b.bellToken()})["msg_list"].([]any)); n > 1 {
		t.Errorf("%d messages after four days; the platform keeps three", n)
	}
}

func TestSyncRefuses(t *testing.T) {
	b := newBench(t, Options{Tokenless: 2})
	b.AddAccount(Account{Ref: ref, OpenKFID: "wk2", Unmanaged: true})
	b.say("wm1", "一")
	token := b.bellToken()
	cursor := b.call("sync_msg", map[string]any{"open_kfid": wk, "token": token})["next_cursor"]
	for _, tc := range []struct {
		name string
		in   any
		code int
	}{
		{"no JSON", "x", 47001},
		{"no account", map[string]any{}, 95000},
		{"another's account", map[string]any{"open_kfid": "wk9"}, 95004},
		{"not managed", map[string]any{"open_kfid": "wk2"}, 60011},
		{"an invented token", map[string]any{"open_kfid": wk, "token": "x"}, 95007},
		{"an invented cursor", map[string]any{"open_kfid": wk, "token": token, "cursor": "x"}, 40058},
		{"too many", map[string]any{"open_kfid": wk, "token": token, "limit": 1001}, 40058},
		{"without a token", map[string]any{"open_kfid": wk}, 0},
		{"again", map[string]any{"open_kfid": wk}, 0},
		{"and again", map[string]any{"open_kfid": wk}, 45009},
	} {
		if code := b.code("sync_msg", tc.in); code != tc.code {
			t.Errorf("%s: %d, want %d", tc.name, code, tc.code)
		}
	}
	b.add(11 * time.Minute)
	if code := b.code("sync_msg", map[string]any{"open_kfid": wk, "token": token}); code != 95007 {
		t.Errorf("a token of eleven minutes ago: %d", code)
	}
	b.ExpireCursors()
	if code := b.code("sync_msg", map[string]any{"open_kfid": wk, "token": b.bellToken(), "cursor": cursor}); code != 40058 {
		t.Errorf("an expired cursor: %d", code)
	}
	b.token = "x"
	if code := b.code("sync_msg", map[string]any{"open_kfid": wk}); code != 40014 {
		t.Errorf("an invented access token: %d", code)
	}
}

func TestFiveInFortyEightHours(t *testing.T) {
	b := newBench(t, Options{})
	if code := b.code("send_msg", text("wm1", "", "好")); code != 40003 {
		t.Errorf("to a stranger: %d", code)
	}
	b.say("wm1", "问")
	for i, want := range []int{0, 0, 0, 0, 0, 95001} {
		if code := b.code("send_msg", text("wm1", "", "答")); code != want {
			t.Errorf("message %d: %d, want %d", i+1, code, want)
		}
	}
	b.say("wm1", "再问")
	if code := b.code("send_msg", text("wm1", "", "答")); code != 0 {
		t.Errorf("after another of the customer's: %d", code)
	}
	b.add(49 * time.Hour)
	if code := b.code("send_msg", text("wm1", "", "答")); code != 95002 {
		t.Errorf("after 49 hours: %d", code)
	}
}

func TestSendChecks(t *testing.T) {
	b := newBench(t, Options{})
	b.say("wm1", "问")
	voice := text("wm1", "", "好")
	voice["msgtype"] = "hologram"
	for _, tc := range []struct {
		name  string
		in    any
		code  int
		shown int
	}{
		{"a text", text("wm1", "id-1", "好"), 0, 1},
		{"its msgid again", text("wm1", "id-1", "好"), 0, 1},
		{"another", text("wm1", "id_2", "好"), 0, 2},
		{"a msgid of other characters", text("wm1", "id 3", "好"), 40058, 2},
		{"a long msgid", text("wm1", strings.Repeat("x", 33), "好"), 40058, 2},
		{"too long", text("wm1", "", strings.Repeat("一", 683)), 45002, 2},
		{"as long as may be", text("wm1", "", strings.Repeat("一", 682)), 0, 3},
		{"empty", text("wm1", "", " "), 44004, 3},
		{"an unknown kind", voice, 40008, 3},
		{"no JSON", "x", 47001, 3},
	} {
		if code := b.code("send_msg", tc.in); code != tc.code || len(b.Shown(wk, "wm1")) != tc.shown {
			t.Errorf("%s: %d and %d shown, want %d and %d", tc.name, code, len(b.Shown(wk, "wm1")), tc.code, tc.shown)
		}
	}
	if s := b.Stats(); s.Duplicates != 1 || s.Shown != 3 || s.Posted != 1 || s.Refused[45002] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSessions(t *testing.T) {
	b := newBench(t, Options{})
	b.AddAccount(Account{Ref: ref, OpenKFID: "wkHuman", Human: true})
	who := map[string]any{"open_kfid": wk, "external_userid": "wm1"}
	if code := b.code("service_state/get", who); code != 40003 {
		t.Errorf("a stranger's state: %d", code)
	}
	b.say("wm1", "问")
	state := func() any { return b.call("service_state/get", who)["service_state"] }
	if state() != float64(StateNew) {
		t.Errorf("state %v", state())
	}
	trans := func(to int) int {
		return b.code("service_state/trans", map[string]any{"open_kfid": wk, "external_userid": "wm1", "service_state": to, "servicer_userid": "x"})
	}
	for _, step := range []struct{ to, code, send int }{
		{StateRobot, 0, 0}, {StateNew, 95016, 0}, {StateWaiting, 0, 95018}, {StateHuman, 0, 95018}, {StateRobot, 95016, 95018}, {StateEnded, 0, 95018}, {StateRobot, 95016, 95018},
	} {
		if code := trans(step.to); code != step.code {
			t.Errorf("to %d: %d, want %d", step.to, code, step.code)
		}
		if code := b.code("send_msg", text("wm1", "", "答")); code != step.send {
			t.Errorf("sent in %v: %d, want %d", state(), code, step.send)
		}
	}
	b.say("wm1", "再问")
	if state() != float64(StateNew) {
		t.Errorf("written again, and the state is %v", state())
	}
	if _, err := b.Turn(t.Context(), wk, "wm1", StateHuman); err != nil || state() != float64(StateHuman) {
		t.Error(err, state())
	}
	if _, err := b.Say(t.Context(), "wkHuman", "wm1", "问"); err != nil {
		t.Fatal(err)
	}
	if a := b.call("service_state/get", map[string]any{"open_kfid": "wkHuman", "external_userid": "wm1"}); a["service_state"] != float64(StateHuman) {
		t.Errorf("%v", a)
	}
}

func TestWelcome(t *testing.T) {
	b := newBench(t, Options{})
	enter := func() (code string) {
		t.Helper()
		if _, err := b.Enter(t.Context(), wk, "wm1"); err != nil {
			t.Fatal(err)
		}
		list := b.call("sync_msg", map[string]any{"open_kfid": wk, "token": b.bellToken()})["msg_list"].([]any)
		code, _ = list[len(list)-1].(map[string]any)["event"].(map[string]any)["welcome_code"].(string)
		return code
	}
	greet := func(code string) int {
		return b.code("send_msg_on_event", map[string]any{"code": code, "msgtype": "text", "text": map[string]any{"content": "你好"}})
	}
	late := enter()
	b.add(21 * time.Second)
	if code := greet(late); code != 40058 {
		t.Errorf("after 21 s: %d", code)
	}
	code := enter()
	for i, want := range []int{0, 40058} {
		if got := greet(code); got != want {
			t.Errorf("greeting %d: %d, want %d", i+1, got, want)
		}
	}
	if again := enter(); again != "" {
		t.Error("greeted, and to be greeted again")
	}
	if shown := b.Shown(wk, "wm1"); len(shown) != 1 || !shown[0].Welcome {
		t.Errorf("%+v", shown)
	}
}

func TestAccountList(t *testing.T) {
	b := newBench(t, Options{})
	b.AddAccount(Account{Ref: ref, OpenKFID: "wk2", Unmanaged: true})
	b.AddAccount(Account{Ref: wecom.Ref{CorpID: "ww1", AgentID: 10}, OpenKFID: "wk3"})
	type entry struct {
		ID     string
		Manage bool
	}
	var got []entry
	for offset := range 3 {
		for _, e := range b.call("account/list", map[string]any{"offset": offset, "limit": 1})["account_list"].([]any) {
			got = append(got, entry{e.(map[string]any)["open_kfid"].(string), e.(map[string]any)["manage_privilege"].(bool)})
		}
	}
	if diff := cmp.Diff([]entry{{"wk1", true}, {"wk2", false}}, got); diff != "" {
		t.Error(diff)
	}
	if code := b.code("account/list", map[string]any{"limit": 101}); code != 40058 {
		t.Errorf("%d", code)
	}
}

func TestAwait(t *testing.T) {
	var seen []string
	b := newBench(t, Options{OnShown: func(s Sent) { seen = append(seen, s.Content) }})
	b.say("wm1", "问")
	done := make(chan []Sent)
	go func() {
		shown, _ := b.Await(t.Context(), wk, "wm1", 2)
		done <- shown
	}()
	for _, s := range []string{"一", "二"} {
		b.code("send_msg", text("wm1", "", s))
	}
	if shown := <-done; len(shown) != 2 || shown[1].Content != "二" {
		t.Errorf("%+v", shown)
	}
	if diff := cmp.Diff([]string{"一", "二"}, seen); diff != "" {
		t.Error(diff)
	}
}
