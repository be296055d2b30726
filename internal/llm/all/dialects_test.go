package all_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
)

func TestNames(t *testing.T) {
	if diff := cmp.Diff([]string{"chatglm", "ernie", "openai", "simulated"}, all.Names()); diff != "" {
		t.Error(diff)
	}
}

// answers is a provider that gives one response and keeps the request's body.
func answers(t *testing.T, dialect string, status int, body string) (llm.Provider, *map[string]any) {
	t.Helper()
	got := &map[string]any{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	p, err := all.Dialects()[dialect](llm.Endpoint{Name: "p", Dialect: dialect, BaseURL: s.URL, Connect: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.(interface{ Close() }).Close)
	return p, got
}

func ignore(string) error { return nil }

func TestDialectRequests(t *testing.T) {
	done := `data: {"choices":[{"index":0,"delta":{"content":"好"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}` + "\n\ndata: [DONE]\n\n"
	message := []any{map[string]any{"role": "user", "content": "q"}}
	long := strings.Repeat("长", 21)
	stops := []any{"一", "二", long}
	wishes := &chat.Sampling{Temperature: new(1.8), TopP: new(0.0), Presence: new(-3.0), Frequency: new(0.5), Seed: new(int64(7)),
		Stop: []string{"一", "", "二", long}, JSON: true}
	for name, test := range map[string]struct {
		dialect string
		call    llm.Call
		want    map[string]any
	}{
		"chatglm": {"chatglm", llm.Call{ID: "t.1.1", Model: "glm-4.6", Question: "q", User: "u", MaxOutput: 200_000}, map[string]any{
			"model": "glm-4.6", "messages": message, "stream": true, "thinking": map[string]any{"type": "disabled"},
			"request_id": "t.1.1", "user_id": "u", "max_tokens": 131_072.0}},
		"chatglm, old": {"chatglm", llm.Call{ID: "t.1.1", Model: "glm-4-flash-250414", Question: "q", MaxOutput: 9_000}, map[string]any{
			"model": "glm-4-flash-250414", "messages": message, "stream": true, "request_id": "t.1.1", "max_tokens": 4_095.0}},
		"ernie": {"ernie", llm.Call{ID: "t.1.1", Model: "ERNIE-4.0-Turbo-128K", Question: "q", User: "u", MaxOutput: 9_000}, map[string]any{
			"model": "ernie-4.0-turbo-128k", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"user": "u", "max_tokens": 4_096.0}},
		"openai, wishes": {"openai", llm.Call{Model: "gpt-4o", Question: "q", Sampling: wishes}, map[string]any{
			"model": "gpt-4o", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"temperature": 1.8, "top_p": 0.0, "presence_penalty": -2.0, "frequency_penalty": 0.5, "seed": 7.0, "stop": stops,
			"response_format": map[string]any{"type": "json_object"}}},
		"openai, a model that reasons": {"openai", llm.Call{Model: "o3-mini", Question: "q", Sampling: wishes}, map[string]any{
			"model": "o3-mini", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"seed": 7.0, "response_format": map[string]any{"type": "json_object"}}},
		"chatglm, wishes": {"chatglm", llm.Call{Model: "glm-4", Question: "q", Sampling: wishes}, map[string]any{
			"model": "glm-4", "messages": message, "stream": true, "temperature": 1.0, "top_p": 0.01, "stop": stops[:1],
			"response_format": map[string]any{"type": "json_object"}}},
		"ernie, wishes": {"ernie", llm.Call{Model: "ernie-5", Question: "q", Sampling: wishes}, map[string]any{
			"model": "ernie-5", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"temperature": 1.0, "top_p": 0.0, "presence_penalty": -2.0, "frequency_penalty": 0.5, "seed": 7.0, "stop": []any{"一", "二"},
			"response_format": map[string]any{"type": "json_object"}}},
		"the zero of a wish is a wish": {"openai", llm.Call{Model: "gpt-4o", Question: "q", Sampling: &chat.Sampling{Temperature: new(0.0), Seed: new(int64(0))}},
			map[string]any{"model": "gpt-4o", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
				"temperature": 0.0, "seed": 0.0}},
	} {
		t.Run(name, func(t *testing.T) {
			p, got := answers(t, test.dialect, 200, done)
			a, err := p.Complete(t.Context(), test.call, ignore)
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(llm.Answer{Text: "好", FinishReason: "stop", Usage: chat.Usage{Input: 3, Output: 1}}, a); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

// No key may show in any error, whoever made it.
func TestKeysStaySecret(t *testing.T) {
	const canary = "sk-canary-0123456789"
	for dialect, status := range map[string]int{"openai": 401, "chatglm": 429, "ernie": 200} {
		p, _ := answers(t, dialect, status, `{"error":{"code":"`+canary+`","type":"`+canary+`","message":"`+canary+`"}}`)
		_, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret(canary)}, ignore)
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v", dialect, err)
		}
	}
}
