package openai

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
)

// A redirect would carry the key and the conversation elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var seen atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) })
		_, _, err := call(t.Context(), t, url)
		if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "set base_url to the final address") {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if seen.Load() != 0 {
		t.Errorf("the other server got %d requests", seen.Load())
	}
}

func TestProtocols(t *testing.T) {
	for name, test := range map[string]struct {
		server func(*http.Protocols)
		prior  bool
		major  int
	}{
		"HTTP/1.1":     {func(p *http.Protocols) { p.SetHTTP1(true) }, false, 1},
		"not upgraded": {func(p *http.Protocols) { p.SetHTTP1(true); p.SetUnencryptedHTTP2(true) }, false, 1},
		"h2c":          {func(p *http.Protocols) { p.SetHTTP1(true); p.SetUnencryptedHTTP2(true) }, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var major atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				major.Store(int32(r.ProtoMajor))
				_, _ = w.Write(fixture(t, "complete"))
			}))
			s.Config.Protocols = &http.Protocols{}
			test.server(s.Config.Protocols)
			s.Start()
			defer s.Close()
			p, err := New(llm.Endpoint{BaseURL: s.URL, Connect: time.Second, PriorKnowledge: test.prior}, llm.Dialect{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore); err != nil {
				t.Fatal(err)
			}
			if int(major.Load()) != test.major {
				t.Errorf("HTTP/%d, want %d", major.Load(), test.major)
			}
		})
	}
}

func ignore(string) error { return nil }

// Calls one after the other share a connection: at hundreds of turns a second, each new one would cost a TLS handshake.
func TestConnectionsAreReused(t *testing.T) {
	addrs := map[string]bool{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		addrs[r.RemoteAddr] = true
		_, _ = w.Write(fixture(t, "complete"))
	})
	p, err := New(llm.Endpoint{BaseURL: url, Connect: time.Second}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 5 {
		if _, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore); err != nil {
			t.Fatal(err)
		}
	}
	if len(addrs) != 1 {
		t.Errorf("%d connections for 5 calls", len(addrs))
	}
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	defer s.Close()
	s.Config.ErrorLog = nil
	_, _, err := call(t.Context(), t, s.URL)
	if chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// A host that accepts and says nothing must cost the time for connecting, not the time for the first text.
func TestConnectDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := New(llm.Endpoint{BaseURL: "https://" + l.Addr().String(), Connect: 2 * time.Second}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore)
	if chat.KindOf(err) != chat.Timeout || !strings.Contains(err.Error(), "TLS handshake timeout") {
		t.Errorf("got %v", err)
	}
}

func TestNewWithoutAddress(t *testing.T) {
	if _, err := Factory(llm.Dialect{})(llm.Endpoint{}); chat.KindOf(err) != chat.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestRequest(t *testing.T) {
	odd := llm.Dialect{NoStreamOptions: true, UserField: "user_id", MaxTokens: "max_tokens",
		MaxOutput: map[string]int{"gpt": 1, "gpt-5": 100, "gpt-5-mini": 7},
		Extra: func(c llm.Call) map[string]any {
			return map[string]any{"request_id": c.ID, "thinking": map[string]string{"type": "disabled"}}
		}}
	full := llm.Call{ID: "t1.1.1", Model: "gpt-4o", System: "你是助手", Question: "三", MaxOutput: 500, User: "u7",
		History: []chat.Turn{{Question: "一", Answer: "1"}, {Question: "二", Answer: "2"}}}
	reasoning := llm.Call{Model: "gpt-5-mini", Question: "q", MaxOutput: 9}
	for name, test := range map[string]struct {
		dialect llm.Dialect
		call    llm.Call
		want    string
	}{
		"least": {llm.Dialect{}, llm.Call{Model: "m", Question: "q"},
			`{"model":"m","messages":[{"role":"user","content":"q"}],"stream":true,"stream_options":{"include_usage":true}}`},
		"full": {llm.Dialect{}, full, `{"model":"gpt-4o","messages":[{"role":"system","content":"你是助手"},{"role":"user","content":"一"},
			{"role":"assistant","content":"1"},{"role":"user","content":"二"},{"role":"assistant","content":"2"},{"role":"user","content":"三"}],
			"stream":true,"stream_options":{"include_usage":true},"max_tokens":500,"user":"u7"}`},
		"reasoning model": {llm.Dialect{}, reasoning, `{"model":"gpt-5-mini","messages":[{"role":"user","content":"q"}],"stream":true,
			"stream_options":{"include_usage":true},"max_completion_tokens":9}`},
		"dialect": {odd, llm.Call{ID: "i", Model: "gpt-5", Question: "q", MaxOutput: 500, User: "u7"},
			`{"model":"gpt-5","messages":[{"role":"user","content":"q"}],"stream":true,"max_tokens":100,"request_id":"i","thinking":{"type":"disabled"},"user_id":"u7"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(llm.Endpoint{BaseURL: "http://x/v1"}, test.dialect)
			if err != nil {
				t.Fatal(err)
			}
			test.call.Key = chat.NewSecret(canary)
			req, err := p.newRequest(t.Context(), &test.call)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.NewDecoder(req.Body).Decode(&got), json.Unmarshal([]byte(test.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if req.URL.String() != "http://x/v1/chat/completions" || req.Header.Get("Authorization") != "Bearer "+canary {
				t.Errorf("%s, %v", req.URL, req.Header)
			}
		})
	}
	t.Run("without a key", func(t *testing.T) {
		p, _ := New(llm.Endpoint{BaseURL: "http://x"}, llm.Dialect{})
		req, err := p.newRequest(t.Context(), &llm.Call{Model: "m", Question: "q"})
		if err != nil || req.Header["Authorization"] != nil {
			t.Errorf("%v, %v", req.Header, err)
		}
	})
}
