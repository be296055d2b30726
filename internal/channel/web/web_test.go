package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
)

// settings is one entry of a document, with the faults that reading it found.
type settings struct {
	tenant string
	fields map[string]string
	tokens []string
	faults []string
}

func (s *settings) Tenant() string   { return s.tenant }
func (s *settings) Name() string     { return "web" }
func (s *settings) Group() string    { return "member" }
func (s *settings) Language() string { return "zh" }
func (s *settings) String(field string) string {
	v, ok := s.fields[field]
	if !ok {
		s.Faultf(field, "is missing")
	}
	return v
}

func (s *settings) Optional(field, def string) string {
	if v, ok := s.fields[field]; ok {
		return v
	}
	return def
}
func (s *settings) Int(string) int64          { return 0 }
func (s *settings) Secret(string) chat.Secret { return chat.Secret{} }
func (s *settings) Secrets(field string) []chat.Secret {
	var out []chat.Secret
	for _, t := range s.tokens {
		out = append(out, chat.NewSecret(t))
	}
	if len(out) == 0 {
		s.Faultf(field, "is missing")
	}
	return out
}

func (s *settings) Faultf(field, format string, args ...any) {
	s.faults = append(s.faults, field+": "+fmt.Sprintf(format, args...))
}

// store is what replicas share: mailboxes, live text and feeds, in memory.
type store struct {
	mu       sync.Mutex
	messages map[string]chat.Message
	order    []chat.Message
	lives    map[chat.ConversationKey]chat.Live
	feeds    map[chat.ConversationKey][]channel.FeedEntry
	fail     error
	reads    int
}

func newStore() *store {
	return &store{
		messages: map[string]chat.Message{}, lives: map[chat.ConversationKey]chat.Live{},
		feeds: map[chat.ConversationKey][]channel.FeedEntry{},
	}
}

func (s *store) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *store) Accept(ctx context.Context, m chat.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	id := m.Conversation.Tenant + "/" + m.Conversation.Channel + "/" + m.ID
	if _, dup := s.messages[id]; !dup {
		s.messages[id] = m
		s.order = append(s.order, m)
	}
	return ctx.Err()
}

func (s *store) accepted() []chat.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]chat.Message(nil), s.order...)
}

func (s *store) ReadLive(_ context.Context, key chat.ConversationKey) (chat.Live, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	l, ok := s.lives[key]
	return l, ok, s.fail
}

func (s *store) setLive(key chat.ConversationKey, l chat.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives[key] = l
}

func (s *store) Append(_ context.Context, key chat.ConversationKey, id string, payload []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	f := s.feeds[key]
	if len(f) == 0 || above(id, f[len(f)-1].ID) {
		s.feeds[key] = append(f, channel.FeedEntry{ID: id, Payload: append([]byte(nil), payload...)})
	}
	return nil
}

func (s *store) Read(_ context.Context, key chat.ConversationKey, after string) ([]channel.FeedEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []channel.FeedEntry
	for _, e := range s.feeds[key] {
		if after == "" || above(e.ID, after) {
			out = append(out, e)
		}
	}
	return out, s.fail
}

// replica makes a channel over a shared store; its settings must have no fault.
func replica(t testing.TB, st *store, s *settings) *Channel {
	t.Helper()
	if s.tenant == "" {
		s.tenant = "acme"
	}
	c := New(s, channel.Deps{Inbox: st, Live: st, Feed: st, Loopback: true, Metrics: prometheus.NewRegistry()})
	if len(s.faults) > 0 {
		t.Fatalf("faults: %q", s.faults)
	}
	c.penalty = 0
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func openAccess() *settings { return &settings{fields: map[string]string{"access": "open"}} }

func tokenAccess(tokens ...string) *settings {
	return &settings{fields: map[string]string{"access": "token"}, tokens: tokens}
}

// serve runs a channel behind a real listener. Streams end with the test.
func serve(t *testing.T, c *Channel) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(func() {
		_ = c.Close()
		srv.Close()
	})
	return srv
}

// browser is a client with a cookie jar of its own.
type browser struct {
	t *testing.T
	http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, Client: http.Client{Jar: jar}}
}

func (b *browser) do(method, url, body string, header ...string) (int, string, http.Header) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, readAll(b.t, res), res.Header
}

func code(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("not an error document: %q: %v", body, err)
	}
	if e.Error.Message == "" {
		t.Errorf("an error without words: %q", body)
	}
	return e.Error.Code
}

func TestNewFindsFaults(t *testing.T) {
	tests := []struct {
		name     string
		fields   map[string]string
		tokens   []string
		loopback bool
		want     []string // what the faults begin with
	}{
		{"open on loopback", map[string]string{"access": "open"}, nil, true, nil},
		{"open beyond loopback", map[string]string{"access": "open"}, nil, false, []string{"access: open lets anybody chat"}},
		{"token", map[string]string{"access": "token"}, []string{"t1"}, false, nil},
		{"two tokens", map[string]string{"access": "token"}, []string{"t1", "t2"}, false, nil},
		{"token without tokens", map[string]string{"access": "token"}, nil, true, []string{"tokens: is missing"}},
		{"missing", nil, nil, true, []string{"access: is missing"}},
		{"unknown word", map[string]string{"access": "public"}, nil, true, []string{`access: "public" is not known`}},
		{"embed", map[string]string{"access": "open", "embed": "self https://intranet.example.com http://127.0.0.1:8080"}, nil, true, nil},
		{
			"embed that would write its own policy",
			map[string]string{"access": "open", "embed": "https://a.example;script-src * https://b.example/path *"},
			nil, true,
			[]string{`embed: "https://a.example;script-src" is not an origin`, `embed: "*" is not an origin`, `embed: "https://b.example/path" is not`, `embed: "*" is not`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &settings{tenant: "acme", fields: tt.fields, tokens: tt.tokens}
			New(s, channel.Deps{Loopback: tt.loopback})
			if len(s.faults) != len(tt.want) {
				t.Fatalf("faults = %q, want %d", s.faults, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(s.faults[i], want) {
					t.Errorf("fault %d = %q, want it to begin with %q", i, s.faults[i], want)
				}
			}
		})
	}
}

func TestPartsAndSend(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	asked := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	m := chat.Message{
		ID: "browser1/m1", Conversation: chat.ConversationKey{Tenant: "acme", Channel: "web", ID: "browser1"},
		Text: "你好 <b>", SentAt: asked,
	}
	parts, err := c.Parts(m, "第一行\n第二行 </script>", 7)
	if err != nil || len(parts) != 1 {
		t.Fatalf("Parts = %d parts, %v", len(parts), err)
	}
	if strings.ContainsAny(string(parts[0]), "\n\r") {
		t.Error("a part must be one line: it becomes one SSE data line")
	}
	again, err := c.Parts(m, "第一行\n第二行 </script>", 7)
	if err != nil || string(again[0]) != string(parts[0]) {
		t.Error("a turn's repetition must make the same bytes")
	}
	for range 3 { // a resend after a crash
		if err := c.Send(t.Context(), m, parts[0]); err != nil {
			t.Fatal(err)
		}
	}
	second, err := c.Parts(m, "第二个回答", 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), m, second[0]); err != nil {
		t.Fatal(err)
	}
	var got []part
	for _, e := range st.feeds[m.Conversation] {
		var p part
		if err := json.Unmarshal(e.Payload, &p); err != nil || p.ID != e.ID {
			t.Fatalf("entry %s: %s: %v", e.ID, e.Payload, err)
		}
		got = append(got, p)
	}
	want := []part{
		{ID: "7-1", Message: "m1", Part: 1, Of: 1, Question: "你好 <b>", Asked: asked, Text: "第一行\n第二行 </script>"},
		{ID: "8-1", Message: "m1", Part: 1, Of: 1, Question: "你好 <b>", Asked: asked, Text: "第二个回答"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	if !c.Resendable(time.Hour) || c.Live() <= 0 || c.Kind() != "web" {
		t.Error("a web channel streams, and resends at any time")
	}
}

func TestSendErrors(t *testing.T) {
	m := chat.Message{Conversation: chat.ConversationKey{Tenant: "acme", Channel: "web", ID: "b"}}
	tests := []struct {
		name string
		part string
		fail error
		want chat.Kind
	}{
		{"store down", `{"id":"1-1"}`, chat.E(chat.Unavailable, "redis", nil), chat.Unavailable},
		{"store slow", `{"id":"1-1"}`, context.DeadlineExceeded, chat.Timeout},
		{"another channel's part", `plain text`, nil, chat.Invalid},
		{"no id", `{}`, nil, chat.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newStore()
			c := replica(t, st, openAccess())
			st.failWith(tt.fail)
			if err := c.Send(t.Context(), m, chat.Part(tt.part)); err == nil || chat.KindOf(err) != tt.want {
				t.Errorf("Send = %v, want kind %s", err, tt.want)
			}
		})
	}
	t.Run("a number that is none", func(t *testing.T) {
		if _, err := replica(t, newStore(), openAccess()).Parts(m, "x", -1); err == nil {
			t.Error("Parts took a negative number")
		}
	})
}

// Channels of several tenants share one registry.
func TestMetricsAreShared(t *testing.T) {
	reg := prometheus.NewRegistry()
	for _, tenant := range []string{"acme", "globex", "acme"} {
		New(&settings{tenant: tenant, fields: map[string]string{"access": "open"}}, channel.Deps{Loopback: true, Metrics: reg}).hub.gauge.Inc()
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "tenant" {
				got[l.GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	if diff := cmp.Diff(map[string]float64{"acme": 2, "globex": 1}, got); diff != "" {
		t.Error(diff)
	}
}
