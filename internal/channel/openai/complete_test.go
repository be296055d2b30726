package openai

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
)

// client is a client of another make.
func client(t *testing.T, c *company) *goopenai.Client {
	t.Helper()
	s := httptest.NewServer(c.entry(t))
	t.Cleanup(s.Close)
	cfg := goopenai.DefaultConfig(testKey)
	cfg.BaseURL = s.URL + "/v1"
	return goopenai.NewClientWithConfig(cfg)
}

func question(text string) goopenai.ChatCompletionRequest {
	return goopenai.ChatCompletionRequest{Model: "chat", Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: text}}}
}

var wantUsage = goopenai.Usage{
	PromptTokens: 7, CompletionTokens: 5, TotalTokens: 12,
	PromptTokensDetails:     &goopenai.PromptTokensDetails{CachedTokens: 2},
	CompletionTokensDetails: &goopenai.CompletionTokensDetails{ReasoningTokens: 1},
}

func TestComplete(t *testing.T) {
	c := newCompany("acme")
	req := question("你好")
	req.User, req.MaxCompletionTokens = "u", 9
	got, err := client(t, c).CreateChatCompletion(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	h := got.Header()
	if !strings.HasPrefix(got.ID, "chatcmpl-") || h.Get("X-Request-Id") != got.ID || h.Get("X-Parley-Model") != "openai/gpt-4o" || h.Get("X-Parley-Ignored") != "user" {
		t.Errorf("id %q, header %v", got.ID, h)
	}
	if age := time.Since(time.Unix(got.Created, 0)); age < 0 || age > time.Minute {
		t.Errorf("created %d", got.Created)
	}
	want := goopenai.ChatCompletionResponse{
		Object: "chat.completion", Model: "chat", Usage: wantUsage,
		Choices: []goopenai.ChatCompletionChoice{{Message: goopenai.ChatCompletionMessage{Role: "assistant", Content: "你好，世界"}, FinishReason: "stop"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(goopenai.ChatCompletionResponse{}, "ID", "Created"), cmpopts.IgnoreUnexported(goopenai.ChatCompletionResponse{})); diff != "" {
		t.Error(diff)
	}
	asked := c.asked(t)
	if asked.Turn != got.ID || !strings.HasPrefix(asked.User, "api/api/") || strings.Contains(asked.User, testKey) {
		t.Errorf("asked as %+v", asked)
	}
	if diff := cmp.Diff(chat.Request{Turn: asked.Turn, Tenant: "acme", User: asked.User, Model: "chat", Question: "你好", MaxOutput: 9, DeltaGap: deltaGap},
		asked, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestStream(t *testing.T) {
	for _, usage := range []bool{false, true} {
		c := newCompany("acme")
		req := question("q")
		if usage {
			req.StreamOptions = &goopenai.StreamOptions{IncludeUsage: true}
		}
		s, err := client(t, c).CreateChatCompletionStream(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if h := s.Header(); h.Get("X-Parley-Model") != "openai/gpt-4o" || !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
			t.Errorf("header %v", h)
		}
		var text []string
		var finish goopenai.FinishReason
		var told *goopenai.Usage
		for {
			chunk, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if chunk.Usage != nil {
				told = chunk.Usage
			}
			for _, choice := range chunk.Choices {
				if choice.Delta.Content != "" {
					text = append(text, choice.Delta.Content)
				}
				finish = choice.FinishReason
			}
		}
		s.Close()
		if diff := cmp.Diff([]string{"你好，", "世界"}, text); diff != "" || finish != "stop" {
			t.Errorf("%s finish %q", diff, finish)
		}
		if usage != (told != nil) || usage && !cmp.Equal(*told, wantUsage) {
			t.Errorf("usage %+v", told)
		}
		if !c.asked(t).Deltas {
			t.Error("no pieces were asked for")
		}
	}
}

// A caller that leaves ends the completion.
func TestLeave(t *testing.T) {
	c := newCompany("acme")
	for name, stream := range map[string]bool{"streaming": true, "waiting": false} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			ctx, leave := context.WithCancel(t.Context())
			c.answer = func(in context.Context, _ chat.Request, emit func(chat.Event)) error {
				emit(chat.Event{Kind: chat.Started})
				emit(chat.Event{Kind: chat.Delta, Text: "a"})
				leave()
				<-in.Done()
				ended <- in.Err()
				return chat.E(chat.Canceled, "test", in.Err())
			}
			cl := client(t, c)
			if stream {
				s, err := cl.CreateChatCompletionStream(ctx, question("q"))
				if err == nil {
					_, _ = s.Recv()
					s.Close()
				}
			} else if _, err := cl.CreateChatCompletion(ctx, question("q")); err == nil {
				t.Error("answered")
			}
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatal("the completion goes on")
			}
		})
	}
}

// refusal are errors of a completion and what a client sees of them.
var refusals = map[string]struct {
	err         error
	status      int
	code, param string
	after       string // Retry-After
	final       bool
}{
	"quota":        {&chat.Error{Kind: chat.RateLimited, Code: chat.CodeQuota, RetryAfter: 90 * time.Minute}, 429, "insufficient_quota", "", "5400", true},
	"in flight":    {&chat.Error{Kind: chat.RateLimited, Code: chat.CodeInFlight, RetryAfter: 1500 * time.Millisecond}, 429, "rate_limit_exceeded", "", "2", false},
	"suspended":    {&chat.Error{Kind: chat.Forbidden, Code: chat.CodeStopped}, 403, "account_deactivated", "", "", false},
	"no vision":    {&chat.Error{Kind: chat.Invalid, Code: chat.CodeNoVision}, 400, "", "messages", "", false},
	"invalid":      {chat.E(chat.Invalid, "x", nil), 400, "", "", "", false},
	"too large":    {chat.E(chat.TooLarge, "x", nil), 400, "context_length_exceeded", "messages", "", false},
	"rejected":     {chat.E(chat.Rejected, "x", nil), 400, "content_filter", "messages", "", false},
	"no model":     {chat.E(chat.NotFound, "x", nil), 404, "model_not_found", "model", "", false},
	"forbidden":    {chat.E(chat.Forbidden, "x", nil), 403, "provider_not_allowed", "model", "", false},
	"rate":         {&chat.Error{Kind: chat.RateLimited, RetryAfter: 7 * time.Second}, 429, "rate_limit_exceeded", "", "7", false},
	"overloaded":   {chat.E(chat.Overloaded, "x", nil), 503, "service_unavailable", "", "1", false},
	"unavailable":  {chat.E(chat.Unavailable, "x", nil), 503, "service_unavailable", "", "", false},
	"timeout":      {chat.E(chat.Timeout, "x", nil), 504, "timeout", "", "", false},
	"canceled":     {chat.E(chat.Canceled, "x", nil), 503, "service_unavailable", "", "1", false},
	"provider key": {chat.E(chat.Unauthenticated, "x", errors.New("sk-secret")), 500, "", "", "", false},
	"billing":      {chat.E(chat.Billing, "x", errors.New("sk-secret")), 500, "", "", "", false},
	"a bug":        {errors.New("sk-secret"), 500, "", "", "", false},
}

func TestFailures(t *testing.T) {
	for name, tt := range refusals {
		for _, stream := range []string{"", `"stream":true`} {
			t.Run(name+" "+stream, func(t *testing.T) {
				c := newCompany("acme")
				c.answer = func(_ context.Context, _ chat.Request, emit func(chat.Event)) error {
					emit(chat.Event{Kind: chat.Started})
					return tt.err
				}
				resp := call(t, c.entry(t), "POST", completions, body(stream))
				message := refusedAs(t, resp, tt.status, tt.code, tt.param)
				if got := resp.Header.Get("Retry-After"); got != tt.after || (resp.Header.Get("X-Should-Retry") == "false") != tt.final {
					t.Errorf("Retry-After %q, header %v", got, resp.Header)
				}
				if strings.Contains(message, "secret") {
					t.Errorf("it says %q", message)
				}
			})
		}
	}
}

// After the first text an error can only be an event.
func TestBroken(t *testing.T) {
	c := newCompany("acme")
	c.answer = func(_ context.Context, _ chat.Request, emit func(chat.Event)) error {
		emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "openai", Model: "m"}})
		emit(chat.Event{Kind: chat.Delta, Text: "half of"})
		return chat.E(chat.Unavailable, "x", nil)
	}
	resp := call(t, c.entry(t), "POST", completions, body(`"stream":true`))
	all, _ := io.ReadAll(resp.Body)
	events := strings.Split(strings.TrimSuffix(string(all), "\n\n"), "\n\n")
	if resp.StatusCode != 200 || len(events) != 2 || !strings.HasPrefix(events[1], `data: {"error":{"message":"`) || strings.Contains(string(all), "DONE") {
		t.Errorf("%s %q", resp.Status, events)
	}
	s, err := client(t, c).CreateChatCompletionStream(t.Context(), question("q"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Recv(); err != nil {
		t.Error(err)
	}
	_, err = s.Recv()
	if e, ok := errors.AsType[*goopenai.APIError](err); !ok || e.Type != "server_error" {
		t.Errorf("a client sees %v", err)
	}
}

// The time that a server gives callers to send their request is none for the answer.
func TestAnswerOutlivesReadTimeout(t *testing.T) {
	for _, stream := range []string{"", `"stream":true`} {
		c := newCompany("acme")
		c.answer = func(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
			select {
			case <-ctx.Done():
				return chat.E(chat.Canceled, "test", ctx.Err())
			case <-time.After(300 * time.Millisecond):
				return says(chat.Reply{Text: "late", FinishReason: "stop"})(ctx, want, emit)
			}
		}
		e := c.entry(t)
		e.bodies.within = 100 * time.Millisecond
		s := httptest.NewUnstartedServer(e)
		s.Config.ReadTimeout = 100 * time.Millisecond
		s.Start()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+completions, strings.NewReader(body(stream)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), `"late"`) {
			t.Errorf("%s %s, %v", resp.Status, text, err)
		}
		_ = resp.Body.Close()
		s.Close()
	}
}

func TestDegraded(t *testing.T) {
	c := newCompany("acme")
	c.answer = func(_ context.Context, _ chat.Request, emit func(chat.Event)) error {
		start := chat.Start{Provider: "chatglm", Model: "glm-4.6", Degraded: true}
		emit(chat.Event{Kind: chat.Started, Start: start})
		emit(chat.Event{Kind: chat.Finished, Reply: chat.Reply{Start: start, Text: "all at once", FinishReason: "stop"}})
		return nil
	}
	for _, stream := range []string{"", `"stream":true`} {
		resp := call(t, c.entry(t), "POST", completions, body(stream))
		text, _ := io.ReadAll(resp.Body)
		if h := resp.Header; h.Get("X-Parley-Model") != "chatglm/glm-4.6" || h.Get("X-Parley-Degraded") != "true" || !strings.Contains(string(text), `"all at once"`) {
			t.Errorf("%v %s", h, text)
		}
	}
}

func TestPermits(t *testing.T) {
	c := newCompany("acme")
	e := c.entry(t)
	post := func(text string) *http.Response { return call(t, e, "POST", completions, text) }
	refusedAs(t, post(`{"model":"gpt-4o","messages":[{"role":"user","content":"q"}]}`), 404, "model_not_found", "model")
	refusedAs(t, post(messages(`{"role":"user","content":"`+strings.Repeat("长", 101)+`"}`)), 400, "string_above_max_length", "messages")
	if resp := post(messages(`{"role":"user","content":"` + strings.Repeat("长", 100) + `"}`)); resp.StatusCode != 200 {
		t.Errorf("as long as it may be: %s", resp.Status)
	}
	refusedAs(t, post(body(`"n":2`)), 400, "unsupported_parameter", "n")
	c.asked(t) // one of them
	c.tenant.Limits.UserPerMinute = 3
	for range 3 {
		if resp := post(body("")); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	resp := post(body(""))
	if message := refusedAs(t, resp, 429, "rate_limit_exceeded", ""); !strings.Contains(message, "3 requests a minute") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%q, %v", message, resp.Header)
	}
}
