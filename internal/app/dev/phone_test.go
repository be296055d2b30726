package dev

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/sim/wecom"
)

// platform is a simulated WeCom whose one application calls back to answer, which gets the sealed body.
func platform(t *testing.T, p *Page, answer func(sealed string, r *http.Request) int) (*wecom.Sim, string) {
	t.Helper()
	ref := wecom.Ref{CorpID: "wwdev", AgentID: 1000002}
	sim := wecom.New(wecom.Options{OnShown: p.ShownByWeCom("app"), AckWithin: time.Minute, Tries: 1})
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer(string(b), r))
	}))
	t.Cleanup(client.Close)
	err := sim.AddApp(wecom.App{
		Ref: ref, Secret: "secret", Token: "token", AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
		Callbacks: []string{client.URL + "/callback/demo/wecom"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Connect(Device{Name: "app", Kind: "wecom", Most: 2048, Opens: true, Phone: WeComPhone(sim, ref)})
	api := httptest.NewServer(sim.Handler())
	t.Cleanup(api.Close)
	return sim, api.URL
}

// send calls the platform as a client does.
func send(t *testing.T, api, user, text string) {
	t.Helper()
	call := func(method, url, body string, into any) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	call("GET", api+"/cgi-bin/gettoken?corpid=wwdev&corpsecret=secret", "", &token)
	var out struct{ Errcode int }
	call("POST", api+"/cgi-bin/message/send?access_token="+token.AccessToken,
		fmt.Sprintf(`{"touser":%q,"msgtype":"text","agentid":1000002,"text":{"content":%q}}`, user, text), &out)
	if out.Errcode != 0 {
		t.Fatalf("message/send: errcode %d", out.Errcode)
	}
}

// The whole way: said on the page, sealed and posted by the platform, shown by message/send, streamed to the page.
func TestPhone(t *testing.T) {
	p := New(Options{ChatURL: "/chat/demo/web"})
	var posts atomic.Int32
	_, api := platform(t, p, func(sealed string, r *http.Request) int {
		posts.Add(1)
		if strings.Contains(sealed, "你好") || !strings.Contains(sealed, "<Encrypt>") || r.URL.Query().Get("msg_signature") == "" {
			t.Errorf("not sealed: %s %s", r.URL, sealed)
		}
		return 200
	})
	srv := httptest.NewServer(p)
	t.Cleanup(func() {
		_ = p.Close()
		srv.Close()
	})
	events := watch(t, srv.URL, "")
	if e := <-events; e.name != "anew" {
		t.Fatalf("first event = %+v", e)
	}
	if w := get(t, p, "POST", "http://localhost/dev/phones/app/messages", `{"user":"zhangsan","text":" 你好 "}`); w.Code != 200 || w.Body.String() != `{"id":1}`+"\n" {
		t.Fatalf("say = %d %s", w.Code, w.Body)
	}
	send(t, api, "zhangsan", "你好，张三")
	said, posted, shown := <-events, <-events, <-events
	if said.name != "said" || said.User != "zhangsan" || said.Text != "你好" {
		t.Errorf("said = %+v", said)
	}
	if posted.name != "posted" || posted.Of != said.ID || posted.Status != 200 || posted.Tries != 1 || posted.Took <= 0 || posted.Error != "" ||
		!strings.HasSuffix(posted.URL, "/callback/demo/wecom") {
		t.Errorf("posted = %+v", posted)
	}
	if shown.name != "shown" || shown.Of != said.ID || shown.Text != "你好，张三" || shown.Took <= 0 {
		t.Errorf("shown = %+v", shown)
	}
	if w := get(t, p, "POST", "http://localhost/dev/phones/app/messages", `{"user":"lisi"}`); w.Code != 200 || posts.Load() != 2 {
		t.Errorf("opening the application = %d %s after %d posts", w.Code, w.Body, posts.Load())
	}

	resumed := watch(t, srv.URL, shown.id)
	if e := <-resumed; e.name != "said" || e.User != "lisi" || e.Text != "" {
		t.Errorf("resumed after %s with %+v", shown.id, e)
	}
	_ = p.Close()
	_ = p.Close()
	for range resumed { // ends
	}
}

func TestRefusedByTheClient(t *testing.T) {
	p := New(Options{})
	platform(t, p, func(string, *http.Request) int { return 503 })
	get(t, p, "POST", "http://localhost/dev/phones/app/messages", `{"user":"zhangsan","text":"x"}`)
	got, _ := p.log.after(0)
	if len(got) != 2 || got[1].Status != 503 || got[1].Error == "" || got[1].Of != got[0].ID {
		t.Errorf("journal = %+v", got)
	}
}

// A page that is closed while the platform still tries does not take the message back.
func TestSayingOutlivesThePage(t *testing.T) {
	p := New(Options{})
	p.Connect(Device{Name: "app", Phone: phoneFunc(func(ctx context.Context, _, _ string) (Delivery, error) {
		if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil {
			return Delivery{}, errors.New("the page's end reached the phone")
		}
		return Delivery{Status: 200, Tries: 1}, nil
	})})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.say(ctx, p.device("app"), "zhangsan", "x")
	if got, _ := p.log.after(0); got[1].Error != "" {
		t.Error(got[1].Error)
	}
}

type phoneFunc func(ctx context.Context, user, text string) (Delivery, error)

func (f phoneFunc) Say(ctx context.Context, user, text string) (Delivery, error) {
	return f(ctx, user, text)
}

func TestSayRefusals(t *testing.T) {
	tests := []struct {
		name, body, code string
		status           int
	}{
		{"not JSON", `x`, "invalid", 400},
		{"too much", `{"text":"` + strings.Repeat("x", 17<<10) + `"}`, "invalid", 400},
		{"nothing, where nothing is heard of opening", `{"user":"lisi","text":" "}`, "invalid", 400},
		{"a stranger", `{"user":"mallory","text":"x"}`, "invalid", 400},
		{"longer than WeCom takes", `{"user":"lisi","text":"` + strings.Repeat("长", 683) + `"}`, "too_large", 400},
		{"too many at once", `{"user":"lisi","text":"x"}`, "rate_limited", 429},
	}
	p := New(Options{})
	if w := get(t, p, "POST", "http://localhost/dev/phones/app/messages", `{"user":"lisi","text":"x"}`); w.Code != 404 {
		t.Errorf("without a phone: %d %s", w.Code, w.Body)
	}
	p.Connect(Device{Name: "app", Most: 2048, Phone: phoneFunc(func(context.Context, string, string) (Delivery, error) {
		t.Error("something was posted")
		return Delivery{}, nil
	})})
	for range cap(p.says) {
		p.says <- struct{}{}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := get(t, p, "POST", "http://localhost/dev/phones/app/messages", tt.body)
			var e struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status || e.Error.Code != tt.code || e.Error.Message == "" {
				t.Errorf("= %d %+v, want %d %s", w.Code, e.Error, tt.status, tt.code)
			}
		})
	}
}

// seen is an event of the stream.
type seen struct {
	id, name string
	entry
}

// watch opens the event stream; the channel is closed when it ends.
func watch(t *testing.T, url, after string) <-chan seen {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/dev/phones/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", after)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("events = %d: %s", res.StatusCode, body(t, res))
	}
	out := make(chan seen, 64)
	go func() {
		defer close(out)
		defer func() { _ = res.Body.Close() }()
		var e seen
		for sc := bufio.NewScanner(res.Body); sc.Scan(); {
			field, value, _ := strings.Cut(sc.Text(), ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.entry); err != nil {
					t.Error(err)
				}
				out <- e
				e = seen{}
			}
		}
	}()
	return out
}
