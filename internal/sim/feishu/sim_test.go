package feishu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// caller calls the simulated platform as an application does.
type caller struct {
	*testing.T
	sim    *Sim
	origin string
	token  string
	now    time.Time
}

func newCaller(t *testing.T, opt Options) *caller {
	t.Helper()
	c := &caller{T: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	opt.Now = func() time.Time { return c.now }
	opt.Retries = []time.Duration{}
	c.sim = New(opt)
	srv := httptest.NewServer(c.sim.Handler())
	t.Cleanup(srv.Close)
	c.origin = srv.URL
	if err := c.sim.AddApp(App{AppID: "cli_1", AppSecret: "s", EncryptKey: "k", VerificationToken: "v"}); err != nil {
		t.Fatal(err)
	}
	c.login()
	return c
}

func (c *caller) login() {
	c.Helper()
	_, got := c.call("POST", "/open-apis/auth/v3/tenant_access_token/internal", object{"app_id": "cli_1", "app_secret": "s"})
	c.token, _ = got["tenant_access_token"].(string)
}

// call makes a call and gives its code and its answer; strings in body that hold JSON are made by the caller.
func (c *caller) call(method, path string, body any) (code int64, got map[string]any) {
	c.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.Context(), method, c.origin+path, bytes.NewReader(raw))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		c.Fatal(err)
	}
	n, _ := got["code"].(float64)
	if data, ok := got["data"].(map[string]any); ok {
		got = data
	}
	if ok := n == 0; ok != (resp.StatusCode == http.StatusOK) && path != "/open-apis/auth/v3/tenant_access_token/internal" {
		c.Errorf("code %v with status %d", n, resp.StatusCode)
	}
	return int64(n), got
}

// want makes a call that must end with a code.
func (c *caller) want(code int64, method, path string, body any) map[string]any {
	c.Helper()
	got, answer := c.call(method, path, body)
	if got != code {
		c.Errorf("%s %s: code %d %v, want %d", method, path, got, answer["msg"], code)
	}
	return answer
}

func (c *caller) asked() (id string) {
	c.Helper()
	p, _ := c.sim.Push(c.Context(), "cli_1", Message{User: "ou_z", Text: "你好"}) // nobody takes it
	return p.ID
}

func text(uuid string) object {
	return object{"msg_type": "text", "content": `{"text":"好"}`, "uuid": uuid}
}

func TestReplies(t *testing.T) {
	c := newCaller(t, Options{})
	path := "/open-apis/im/v1/messages/" + c.asked() + "/reply"
	first := c.want(0, "POST", path, text("u1"))["message_id"]
	c.now = c.now.Add(59 * time.Minute)
	if again := c.want(0, "POST", path, text("u1"))["message_id"]; again != first {
		t.Errorf("a repetition made %v of %v", again, first)
	}
	c.now = c.now.Add(2 * time.Minute)
	if again := c.want(0, "POST", path, text("u1"))["message_id"]; again == first {
		t.Error("after an hour the uuid still counts")
	}
	c.now = c.now.Add(time.Second)
	for i := range 5 {
		c.want(0, "POST", path, text(fmt.Sprint("v", i)))
	}
	c.want(230020, "POST", path, text("v6"))
	c.now = c.now.Add(time.Second)
	c.want(230001, "POST", "/open-apis/im/v1/messages/om_nobody/reply", text("w"))
	c.want(230001, "POST", path, text(strings.Repeat("u", 51)))
	c.want(230001, "POST", path, object{"msg_type": "text", "content": "no JSON"})
	c.want(230001, "POST", path, object{"msg_type": "text", "content": `{"text":" "}`})
	c.want(230001, "POST", path, object{"msg_type": "hologram", "content": `{}`})
	c.want(230025, "POST", path, object{"msg_type": "post", "content": `{"zh_cn":{"content":[[{"tag":"md","text":"` + strings.Repeat("x", 31<<10) + `"}]]}}`})
	c.want(230099, "POST", path, object{"msg_type": "interactive", "content": `{"schema":"1.0"}`})
	if n := len(c.sim.Shown("oc_p2p_ou_z")); n != 7 {
		t.Errorf("shown %d messages, want 7", n)
	}
}

func TestTokens(t *testing.T) {
	c := newCaller(t, Options{})
	c.want(0, "GET", "/open-apis/bot/v3/info", nil)
	c.now = c.now.Add(3 * time.Hour)
	c.want(99991663, "GET", "/open-apis/bot/v3/info", nil)
	c.login()
	c.sim.Revoke("cli_1")
	c.want(99991663, "GET", "/open-apis/bot/v3/info", nil)
	c.token = ""
	c.want(99991661, "GET", "/open-apis/bot/v3/info", nil)
	c.login()
	for range 50 {
		c.want(0, "GET", "/open-apis/bot/v3/info", nil)
	}
	c.want(99991400, "GET", "/open-apis/bot/v3/info", nil)
	c.now = c.now.Add(time.Second)
	for range 19 {
		for range 50 {
			c.want(0, "GET", "/open-apis/bot/v3/info", nil)
		}
		c.now = c.now.Add(time.Second)
	}
	c.want(99991400, "GET", "/open-apis/bot/v3/info", nil) // of the minute
	if err := c.sim.AddApp(App{AppID: "cli_1", AppSecret: "s", Scopes: []string{}}); err != nil {
		t.Fatal(err)
	}
	c.login()
	c.want(99991672, "POST", "/open-apis/cardkit/v1/cards", nil)
}

const aCard = `{"schema":"2.0","config":{"streaming_mode":true},"body":{"elements":[{"tag":"markdown","element_id":"e","content":"a"}]}}`

func TestCards(t *testing.T) {
	c := newCaller(t, Options{})
	const cards = "/open-apis/cardkit/v1/cards"
	for data, code := range map[string]int64{
		`{`: 200220, `{"schema":"1.0"}`: 300303, `{"schema":"2.0"}`: 300307, strings.Replace(aCard, `"content":"a"`, `"content":"`+strings.Repeat("x", 31<<10)+`"`, 1): 200860,
		strings.Replace(aCard, `"config":{`, `"config":{"update_multi":false,`, 1): 300302,
		strings.Replace(aCard, `[{`, `[{"tag":"hr","element_id":"e"},{`, 1):        300301,
	} {
		c.want(code, "POST", cards, object{"type": "card_json", "data": data})
	}
	id, _ := c.want(0, "POST", cards, object{"type": "card_json", "data": aCard})["card_id"].(string)
	path := "/open-apis/im/v1/messages/" + c.asked() + "/reply"
	attach := object{"msg_type": "interactive", "content": `{"type":"card","data":{"card_id":"` + id + `"}}`}
	c.want(0, "POST", path, attach)
	c.want(230099, "POST", path, attach) // a card is sent once
	write := func(code int64, content string, sequence int) {
		t.Helper()
		c.want(code, "PUT", cards+"/"+id+"/elements/e/content", object{"content": content, "sequence": sequence})
	}
	write(0, "ab", 5)
	write(300317, "abc", 5)
	write(10002, "abc", 0)
	write(200860, strings.Repeat("x", 31<<10), 6)
	c.want(300313, "PUT", cards+"/"+id+"/elements/other/content", object{"content": "x", "sequence": 7})
	c.want(200740, "PUT", cards+"/nobody/elements/e/content", object{"content": "x", "sequence": 7})
	for i := range 5 {
		write(0, "abc", 10+i)
	}
	write(99991400, "abc", 20) // ten a second, those refused included
	c.now = c.now.Add(11 * time.Minute)
	write(200850, "late", 21)
	write(300309, "late", 22)
	end := func(code int64, sequence int, actions string) {
		t.Helper()
		c.want(code, "POST", cards+"/"+id+"/batch_update", object{"sequence": sequence, "actions": actions})
	}
	const last = `{"action":"partial_update_element","params":{"element_id":"e","partial_element":{"content":"last"}}}`
	end(10002, 30, `[`+last+`,{"action":"dance"}]`)
	if got := c.sim.Shown("oc_p2p_ou_z")[0]; got.Text != "abc" {
		t.Errorf("half of a change was made: %+v", got)
	}
	end(0, 30, `[`+last+`]`)
	c.now = c.now.Add(time.Second)
	c.want(0, "PATCH", cards+"/"+id+"/settings", object{"settings": `{"config":{"streaming_mode":true}}`, "sequence": 31})
	write(0, "again", 32)
	c.want(0, "PUT", cards+"/"+id, object{"card": object{"type": "card_json", "data": strings.Replace(aCard, "true", "false", 1)}, "sequence": 33})
	if got := c.sim.Shown("oc_p2p_ou_z"); len(got) != 1 || got[0].Text != "a" || got[0].Streaming {
		t.Errorf("shown %+v", got)
	}
	c.now = c.now.Add(15 * 24 * time.Hour)
	c.login()
	end(200750, 40, `[`+last+`]`)
}

// TestConnections: an application holds fifty at most, each opened with a ticket of its own.
func TestConnections(t *testing.T) {
	c := newCaller(t, Options{})
	dial := func(address string) (*http.Response, error) {
		t.Helper()
		conn, resp, err := websocket.Dial(t.Context(), address, nil)
		if err == nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
		} else if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		return resp, err
	}
	ticket := func() string {
		t.Helper()
		address, _ := c.want(0, "POST", "/callback/ws/endpoint", object{"AppID": "cli_1", "AppSecret": "s"})["URL"].(string)
		return address
	}
	first := ticket()
	for i := range maxConns {
		address := first
		if i > 0 {
			address = ticket()
		}
		if _, err := dial(address); err != nil {
			t.Fatal(i, err)
		}
	}
	for end := time.Now().Add(20 * time.Second); c.sim.Connections("cli_1") < maxConns && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if resp, err := dial(ticket()); err == nil || resp == nil || resp.Header.Get("Handshake-Autherrcode") != "1000040350" {
		t.Errorf("one more: %v", err)
	}
	c.sim.Drop("cli_1")
	if resp, err := dial(first); err == nil || resp == nil || resp.Header.Get("Handshake-Status") != "514" {
		t.Errorf("a ticket was good twice: %v", err)
	}
}
