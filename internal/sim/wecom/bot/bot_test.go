package bot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/bot"
)

const (
	token = "bottoken"
	aes   = "ZGVtb2RlbW9kZW1vZGVtb2RlbW9kZW1vZGVtb2RlbW8"
)

// answerer is a bot's callback that answers a message with a stream which each poll makes longer.
func answerer(t *testing.T, states ...string) (address string, asked *atomic.Int32) {
	t.Helper()
	sealer, err := wecom.NewSealer("", token, aes)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Encrypt string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		q := r.URL.Query()
		plain, err := sealer.Open(in.Encrypt, q.Get("msg_signature"), q.Get("timestamp"), q.Get("nonce"))
		if err != nil {
			t.Errorf("a callback that does not open: %v", err)
			return
		}
		var m struct {
			Type string `json:"msgtype"`
		}
		_ = json.Unmarshal(plain, &m)
		n := int(asked.Add(1)) - 1
		answer := fmt.Sprintf(`{"msgtype":"stream","stream":{"id":"s1","finish":%t,"content":%q}}`, n >= len(states)-1, states[min(n, len(states)-1)])
		if m.Type == "event" {
			answer = `{"msgtype":"text","text":{"content":"欢迎"}}`
		}
		encrypt, _ := sealer.Seal(answer, time.Now())
		_, _ = w.Write(sealAs(t, sealer, encrypt, q.Get("nonce")))
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked
}

func sealAs(t *testing.T, s *wecom.Sealer, encrypt, nonce string) []byte {
	t.Helper()
	now := time.Now().Unix()
	b, err := json.Marshal(map[string]any{
		"encrypt": encrypt, "msgsignature": s.Sign(fmt.Sprint(now), nonce, encrypt), "timestamp": now, "nonce": nonce,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func start(t *testing.T, o bot.Options, b bot.Bot) (*bot.Sim, string) {
	t.Helper()
	s := bot.New(o)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(s.Close)
	s.At(srv.URL)
	if err := s.AddBot(b); err != nil {
		t.Fatal(err)
	}
	return s, srv.URL
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestCallbackStream(t *testing.T) {
	address, asked := answerer(t, "…", "一", "一二")
	s, _ := start(t, bot.Options{PollEvery: 10 * time.Millisecond}, bot.Bot{ID: "b", Token: token, AESKey: aes, Callbacks: []string{"http://127.0.0.1:1/", address}})
	p, err := s.Say(t.Context(), "b", "amy", "你好")
	if err != nil || !p.Acked || p.Tries != 1 {
		t.Fatalf("%+v: %v", p, err)
	}
	eventually(t, "the stream is finished", func() bool { n, _, ok := s.Answer(p.ID); return ok && n.Finished })
	var seen []string
	for _, n := range s.Shown("b", "amy") {
		seen = append(seen, n.Text)
	}
	if !slices.Equal(seen, []string{"…", "一", "一二"}) || asked.Load() != 3 || len(s.Violations()) > 0 {
		t.Errorf("saw %q, asked %d times, violations %q", seen, asked.Load(), s.Violations())
	}
	if _, err := s.Enter(t.Context(), "b", "bob"); err != nil {
		t.Error(err)
	}
	if got := s.Shown("b", "bob"); len(got) != 1 || got[0].Text != "欢迎" {
		t.Errorf("a welcome shows %+v", got)
	}
}

func TestThePlatformMinds(t *testing.T) {
	long := strings.Repeat("x", 20481)
	address, _ := answerer(t, "…", long, "end")
	s, _ := start(t, bot.Options{PollEvery: 10 * time.Millisecond}, bot.Bot{ID: "b", Token: token, AESKey: aes, Callbacks: []string{address}})
	p, err := s.Say(t.Context(), "b", "amy", "你好")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is finished", func() bool { n, _, ok := s.Answer(p.ID); return ok && n.Finished })
	if v := s.Violations(); len(v) != 1 || !strings.Contains(v[0], "20481 bytes") {
		t.Errorf("violations %q", v)
	}
}

func TestNobodyAcknowledges(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer down.Close()
	s, _ := start(t, bot.Options{AckWithin: 10 * time.Millisecond}, bot.Bot{ID: "b", Token: token, AESKey: aes, Callbacks: []string{down.URL}})
	if p, err := s.Say(t.Context(), "b", "amy", "你好"); err == nil || p.Tries != 3 || p.Acked {
		t.Errorf("%+v: %v", p, err)
	}
}

func TestThreeInFlight(t *testing.T) {
	address, _ := answerer(t, "1", "2", "3", "4", "5", "6", "7", "8", "9", "end")
	s, _ := start(t, bot.Options{PollEvery: time.Hour}, bot.Bot{ID: "b", Token: token, AESKey: aes, Callbacks: []string{address}})
	for i := range 4 {
		if _, err := s.Say(t.Context(), "b", "amy", "你好"); (err != nil) != (i == 3) {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

func TestResponseURL(t *testing.T) {
	var body struct {
		URL string `json:"response_url"`
	}
	sealer, _ := wecom.NewSealer("", token, aes)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct{ Encrypt string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		q := r.URL.Query()
		plain, _ := sealer.Open(in.Encrypt, q.Get("msg_signature"), q.Get("timestamp"), q.Get("nonce"))
		_ = json.Unmarshal(plain, &body)
	}))
	defer srv.Close()
	s, _ := start(t, bot.Options{}, bot.Bot{ID: "b", Token: token, AESKey: aes, Callbacks: []string{srv.URL}})
	p, err := s.Say(t.Context(), "b", "amy", "你好")
	if err != nil {
		t.Fatal(err)
	}
	post := func(content string) (code int64) {
		resp, err := http.Post(body.URL, "application/json", strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var res struct{ ErrCode int64 }
		b, _ := io.ReadAll(resp.Body)
		_ = json.Unmarshal(bytes.ToLower(b), &res)
		return res.ErrCode
	}
	for i, c := range []struct {
		body string
		ok   bool
	}{
		{`{"msgtype":"text","text":{"content":"x"}}`, false},
		{`{"msgtype":"markdown","markdown":{"content":"迟了"}}`, true},
		{`{"msgtype":"markdown","markdown":{"content":"再来"}}`, false},
	} {
		if code := post(c.body); (code == 0) != c.ok {
			t.Errorf("post %d: errcode %d", i, code)
		}
	}
	if _, extra, _ := s.Answer(p.ID); len(extra) != 1 || extra[0].Text != "迟了" {
		t.Errorf("shown besides: %+v", extra)
	}
}

func TestLongConnection(t *testing.T) {
	s, origin := start(t, bot.Options{}, bot.Bot{ID: "b", Secret: "right"})
	if ok := subscribe(t, origin, "wrong"); ok.code == 0 || s.Connected("b") {
		t.Fatalf("a wrong secret got %+v", ok)
	}
	first := subscribe(t, origin, "right")
	p, err := s.Say(t.Context(), "b", "amy", "你好")
	if err != nil || !p.Acked {
		t.Fatal(err)
	}
	in := first.read(t)
	if in["cmd"] != "aibot_msg_callback" {
		t.Fatalf("got %v", in)
	}
	request := in["headers"].(map[string]any)["req_id"].(string)
	first.write(t, `{"cmd":"aibot_respond_msg","headers":{"req_id":"`+request+`"},"body":{"msgtype":"stream","stream":{"id":"1","finish":true,"content":"好"}}}`)
	if ack := first.read(t); ack["errcode"] != float64(0) {
		t.Errorf("acknowledged with %v", ack)
	}
	if n, _, ok := s.Answer(p.ID); !ok || n.Text != "好" || !n.Finished {
		t.Errorf("shown: %+v", n)
	}
	second := subscribe(t, origin, "right")
	if told := first.read(t); told["cmd"] != "aibot_event_callback" {
		t.Errorf("the older connection was told %v", told)
	}
	second.write(t, `{"cmd":"aibot_respond_msg","headers":{"req_id":"`+request+`"},"body":{"msgtype":"stream","stream":{"id":"2","content":"好"}}}`)
	if ack := second.read(t); ack["errcode"] != float64(846605) {
		t.Errorf("another connection's req_id: %v", ack)
	}
	second.write(t, `{"cmd":"aibot_send_msg","headers":{"req_id":"x"},"body":{"chatid":"amy","chat_type":1,"msgtype":"markdown","markdown":{"content":"补"}}}`)
	if ack := second.read(t); ack["errcode"] != float64(0) || s.Shown("b", "amy")[1].Text != "补" {
		t.Errorf("%v, shown %+v", ack, s.Shown("b", "amy"))
	}
}

type peer struct {
	conn *websocket.Conn
	code float64
}

func subscribe(t *testing.T, origin, secret string) peer {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(origin, "http")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	p := peer{conn: conn}
	p.write(t, `{"cmd":"aibot_subscribe","headers":{"req_id":"aibot_subscribe_1"},"body":{"bot_id":"b","secret":"`+secret+`"}}`)
	p.code = p.read(t)["errcode"].(float64)
	return p
}

func (p peer) write(t *testing.T, frame string) {
	t.Helper()
	if err := p.conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func (p peer) read(t *testing.T) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, data, err := p.conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}
