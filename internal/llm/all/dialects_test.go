package all_test

import (
	"encoding/json"
	"errors"
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

// Each vendor's errors in its own form, over a connection.
func TestDialectErrors(t *testing.T) {
	glm := func(code string) string { return `{"error":{"code":"` + code + `","message":"提示"}}` }
	qianfan := func(code, typ string) string {
		return `{"error":{"code":"` + code + `","message":"m","type":"` + typ + `"},"id":"as-1"}`
	}
	stream := func(data string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"你好"}}]}` + "\n\ndata: " + data + "\n\n"
	}
	for _, test := range []struct {
		dialect string
		status  int
		body    string
		kind    chat.Kind
		code    string
	}{
		{"chatglm", 401, glm("1002"), chat.Unauthenticated, "1002"},
		{"chatglm", 429, glm("1113"), chat.Billing, "1113"}, // by its status it would be tried again
		{"chatglm", 429, glm("1302"), chat.RateLimited, "1302"},
		{"chatglm", 429, glm("1305"), chat.Overloaded, "1305"},
		{"chatglm", 400, glm("1211"), chat.NotFound, "1211"},
		{"chatglm", 400, glm("1214"), chat.Invalid, "1214"},
		{"chatglm", 400, glm("1261"), chat.TooLarge, "1261"},
		{"chatglm", 400, glm("1301"), chat.Rejected, "1301"},
		{"chatglm", 500, glm("1234"), chat.Unavailable, "1234"},
		{"chatglm", 400, glm("1999"), chat.Invalid, "1999"},
		{"chatglm", 200, stream(glm("1305")), chat.Overloaded, "1305"},
		{"chatglm", 200, stream(`{"choices":[{"index":0,"delta":{},"finish_reason":"sensitive"}]}`), chat.Rejected, "sensitive"},
		{"chatglm", 200, stream(`{"choices":[{"index":0,"delta":{},"finish_reason":"network_error"}]}`), chat.Unavailable, "network_error"},

		{"ernie", 401, qianfan("invalid_iam_token", "invalid_request_error"), chat.Unauthenticated, "invalid_iam_token"},
		{"ernie", 401, qianfan("invalid_model", "invalid_request_error"), chat.NotFound, "invalid_model"},
		{"ernie", 400, qianfan("tokens_too_long", "invalid_request_error"), chat.TooLarge, "tokens_too_long"},
		{"ernie", 400, qianfan("invalid_messages", "invalid_request_error"), chat.Invalid, "invalid_messages"},
		{"ernie", 403, qianfan("system_unsafe", "unsafe_request"), chat.Rejected, "system_unsafe"},
		{"ernie", 403, qianfan("account_overdue", "access_denied"), chat.Billing, "account_overdue"},
		{"ernie", 403, qianfan("other", "access_denied"), chat.Forbidden, "other"},
		{"ernie", 429, qianfan("rpm_rate_limit_exceeded", "rate_limit_exceeded"), chat.RateLimited, "rpm_rate_limit_exceeded"},
		{"ernie", 429, qianfan("cluster_tpm_rate_limit_exceeded", "rate_limit_exceeded"), chat.Overloaded, "cluster_tpm_rate_limit_exceeded"},
		{"ernie", 500, qianfan("internal_error", "Internal_error"), chat.Unavailable, "internal_error"},
		{"ernie", 200, `{"error_code":18,"error_msg":"Open api qps request limit reached"}`, chat.RateLimited, "18"},
		{"ernie", 200, `{"error_code":336100,"error_msg":"busy"}`, chat.Overloaded, "336100"},
		{"ernie", 200, `{"error_code":110,"error_msg":"Access token invalid"}`, chat.Unauthenticated, "110"},
		{"ernie", 200, stream(qianfan("tpm_rate_limit_exceeded", "rate_limit_exceeded")), chat.RateLimited, "tpm_rate_limit_exceeded"},
	} {
		t.Run(test.dialect+" "+test.code, func(t *testing.T) {
			p, _ := answers(t, test.dialect, test.status, test.body)
			_, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q"}, ignore)
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Kind != test.kind || e.Code != test.code {
				t.Errorf("got %v, want %v %s", err, test.kind, test.code)
			}
		})
	}
}

func TestDialectRequests(t *testing.T) {
	done := `data: {"choices":[{"index":0,"delta":{"content":"好"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}` + "\n\ndata: [DONE]\n\n"
	message := []any{map[string]any{"role": "user", "content": "q"}}
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
		"ernie": {"ernie", llm.Call{ID: "t.1.1", Model: "ernie-4.0-turbo-128k", Question: "q", User: "u", MaxOutput: 9_000}, map[string]any{
			"model": "ernie-4.0-turbo-128k", "messages": message, "stream": true, "stream_options": map[string]any{"include_usage": true},
			"user": "u", "max_tokens": 4_096.0}},
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
		p, _ := answers(t, dialect, status, `{"error":{"code":"`+canary+` and more","type":"key `+canary+`","message":"`+canary+`"}}`)
		_, err := p.Complete(t.Context(), llm.Call{Model: "m", Question: "q", Key: chat.NewSecret(canary)}, ignore)
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v", dialect, err)
		}
	}
}
