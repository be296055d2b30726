package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
)

// company is a channel.Direct of one tenant with one answer.
type company struct {
	tenant chat.Tenant
	models []string
	answer func(ctx context.Context, want chat.Request, emit func(chat.Event)) error

	mu   sync.Mutex
	want []chat.Request
}

func newCompany(name string) *company {
	return &company{
		tenant: chat.Tenant{Name: name, Model: "chat", Limits: chat.TenantLimits{MaxInput: 100}}, models: []string{"chat", "deep"},
		answer: says(chat.Reply{Text: "你好，世界", FinishReason: "stop", Usage: chat.Usage{Input: 7, Cached: 2, Output: 5, Reasoning: 1}}, "你好，", "世界"),
	}
}

// says answers with a reply that comes in pieces.
func says(reply chat.Reply, pieces ...string) func(context.Context, chat.Request, func(chat.Event)) error {
	reply.Start = chat.Start{Provider: "openai", Model: "gpt-4o"}
	return func(_ context.Context, want chat.Request, emit func(chat.Event)) error {
		emit(chat.Event{Kind: chat.Started, Start: reply.Start})
		if want.Deltas {
			for _, p := range pieces {
				emit(chat.Event{Kind: chat.Delta, Text: p})
			}
		}
		emit(chat.Event{Kind: chat.Finished, Reply: reply})
		return nil
	}
}

func (c *company) Tenant(name string) (*chat.Tenant, bool) { return &c.tenant, name == c.tenant.Name }
func (c *company) Models(string) []string                  { return c.models }

func (c *company) Complete(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
	c.mu.Lock()
	c.want = append(c.want, want)
	c.mu.Unlock()
	return c.answer(ctx, want, emit)
}

// asked is the one request that was made.
func (c *company) asked(t *testing.T) chat.Request {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.want) != 1 {
		t.Fatalf("%d requests were made", len(c.want))
	}
	return c.want[0]
}

func (c *company) deps() channel.Deps {
	return channel.Deps{Direct: c, Limits: channeltest.NewCache(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

// channel makes a channel; keys as in a document.
func (c *company) channel(t testing.TB, d channel.Deps, keys ...string) *Channel {
	t.Helper()
	s := &channeltest.Settings{TenantName: c.tenant.Name, Entry: "api", Fields: map[string]any{"keys": keys}}
	ch := New(s, d)
	if len(s.Faults) > 0 || len(s.Unread()) > 0 {
		t.Fatalf("faults %v, unread %v", s.Faults, s.Unread())
	}
	return ch
}

const testKey = "key-of-the-test"

// entry is an Entry at which testKey opens the company's channel.
func (c *company) entry(t testing.TB) *Entry {
	t.Helper()
	d := c.deps()
	d.Metrics = prometheus.NewRegistry()
	e := NewEntry(EntryOptions{Loaded: func() bool { return true }, Deps: d})
	e.Set(c.tenant.Name, map[string]channel.Channel{"api": c.channel(t, d, testKey)})
	return e
}

// call makes one request with testKey.
func call(t *testing.T, h http.Handler, method, path, body string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

const completions = "/v1/chat/completions"

// wire is an error as a client reads it.
type wire struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// refusedAs checks an error's status, code and parameter ("" is null) and gives its message.
func refusedAs(t *testing.T, resp *http.Response, status int, code, param string) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	var got struct{ Error wire }
	if err := errors.Join(err, json.Unmarshal(body, &got)); err != nil {
		t.Fatalf("%s: %v: %s", resp.Status, err, body)
	}
	null := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	want := []any{status, code, param, "application/json"}
	if diff := cmp.Diff(want, []any{resp.StatusCode, null(got.Error.Code), null(got.Error.Param), resp.Header.Get("Content-Type")}); diff != "" {
		t.Errorf("(-want +got) %s\n%s", diff, body)
	}
	if got.Error.Message == "" || got.Error.Type == "" {
		t.Errorf("an error without a message or a type: %s", body)
	}
	return got.Error.Message
}
