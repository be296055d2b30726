package openaiapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/conversation"
	"parley/internal/sim/llm"
	"parley/test/ledger"
)

// drain reads a stream to its end.
func drain(s *goopenai.ChatCompletionStream) (text string, usage *goopenai.Usage, err error) {
	defer s.Close()
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return text, usage, nil
		}
		if err != nil {
			return text, usage, err
		}
		for _, c := range chunk.Choices {
			text += c.Delta.Content
		}
		if chunk.Usage != nil {
			usage = chunk.Usage
		}
	}
}

// status is what an error says: its HTTP status and its code.
func status(err error) (int, any) {
	e, ok := errors.AsType[*goopenai.APIError](err)
	if !ok {
		return 0, err
	}
	return e.HTTPStatusCode, e.Code
}

func (s *stage) refused(what string, err error, want int, code string) {
	s.Helper()
	if got, said := status(err); got != want || said != any(code) {
		s.Errorf("%s: %d %v (%v), want %d %s", what, got, said, err, want, code)
	}
}

func TestAnswers(t *testing.T) {
	s := newStage(t, llm.Pace{Between: 2 * time.Millisecond})
	req := question("zhang")
	first := ledger.Line{Role: "user", Text: req.Messages[0].Content}
	req.Messages = append([]goopenai.ChatCompletionMessage{{Role: "system", Content: "只说中文。"}}, append(req.Messages,
		goopenai.ChatCompletionMessage{Role: "assistant", Content: ledger.Answer([]ledger.Line{first})},
		goopenai.ChatCompletionMessage{Role: "user", Content: ledger.Question(ledger.ID{Person: "zhang", N: 2})})...)
	req.Temperature, req.MaxCompletionTokens = 0.5, 1000
	whole, err := s.via(0, keyOfAcme).CreateChatCompletion(s.ctx, req)
	s.must(err)
	req.StreamOptions = &goopenai.StreamOptions{IncludeUsage: true}
	stream, err := s.via(1, keyOfAcme).CreateChatCompletionStream(s.ctx, req)
	s.must(err)
	text, usage, err := drain(stream)
	s.must(err)
	answer := whole.Choices[0].Message.Content
	if !answers(answer, req.Messages) || text != answer || whole.Choices[0].FinishReason != "stop" || whole.Model != "chat" {
		t.Errorf("answered %q, streamed %q: %+v", answer, text, whole)
	}
	if usage == nil || usage.TotalTokens != whole.Usage.TotalTokens || usage.TotalTokens == 0 {
		t.Errorf("usage %+v and %+v", whole.Usage, usage)
	}
	if got := whole.Header().Get("X-Parley-Model"); got != "openai/gpt-4o-mini" {
		t.Errorf("answered by %q", got)
	}
	calls := s.entries("zhang.2")
	if len(calls) != 2 || calls[0].System != "你是acme的助手。\n\n只说中文。" || calls[0].Messages != 4 || calls[0].Earlier != 1 {
		t.Errorf("the model was called so: %+v", calls)
	}
	list, err := s.via(0, keyOfAcme).ListModels(s.ctx)
	s.must(err)
	if len(list.Models) != 1 || list.Models[0].ID != "chat" {
		t.Errorf("models %+v", list)
	}
	other, err := s.via(0, keyOfOther).CreateChatCompletion(s.ctx, question("others"))
	s.must(err)
	if e := s.entries("others"); len(e) != 1 || e[0].System != "你是globex的助手。" {
		t.Errorf("another company's call: %+v", e)
	}
	got, keys := s.spent("acme")
	want := map[string]conversation.Tokens{"openai/gpt-4o-mini": {
		Calls: 2, Input: 2 * usage.PromptTokens, Output: 2 * usage.CompletionTokens, Cached: 2 * usage.PromptTokensDetails.CachedTokens,
	}}
	if diff := cmp.Diff(want, got); diff != "" || keys != 1 {
		t.Errorf("usage by %d keys (-want +got)\n%s", keys, diff)
	}
	if got, _ := s.spent("globex"); got["openai/gpt-4o-mini"].Output != other.Usage.CompletionTokens {
		t.Errorf("another company's usage: %+v", got)
	}
	s.run("errors", s.errors)
	s.run("keys change without a restart", s.rotate)
	s.run("the operator's key is refused", s.operatorsKey)
}

// operatorsKey: a provider that refuses the platform's key is nothing that a caller could mend, and no wrong key of theirs. The key rests after it.
func (s *stage) operatorsKey() {
	s.must(s.model.SetRules(s.ctx, llm.Rule{Fault: llm.Fault{Kind: llm.FaultStatus, Code: "invalid_api_key"}}))
	_, err := s.via(0, keyOfOther).CreateChatCompletion(s.ctx, question("q"))
	if got, _ := status(err); got != 500 || strings.Contains(err.Error(), "sk-") {
		s.Errorf("%d: %v", got, err)
	}
}

func (s *stage) run(name string, f func()) {
	outer := s.T
	defer func() { s.T = outer }()
	outer.Run(name, func(t *testing.T) { s.T = t; f() })
}

func (s *stage) errors() {
	ask := func(c *goopenai.Client, change func(*goopenai.ChatCompletionRequest)) error {
		req := question("q")
		change(&req)
		_, err := c.CreateChatCompletion(s.ctx, req)
		return err
	}
	acme := s.via(0, keyOfAcme)
	s.refused("a wrong key", ask(s.via(0, "sk-wrong"), func(*goopenai.ChatCompletionRequest) {}), 401, "invalid_api_key")
	s.refused("an unknown model", ask(acme, func(r *goopenai.ChatCompletionRequest) { r.Model = "gpt-4o" }), 404, "model_not_found")
	s.refused("tools", ask(acme, func(r *goopenai.ChatCompletionRequest) {
		r.Tools = []goopenai.Tool{{Type: "function", Function: &goopenai.FunctionDefinition{Name: "f"}}}
	}), 400, "unsupported_parameter")
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"content_policy_violation": {400, "content_filter"},
		"context_length_exceeded":  {400, "context_length_exceeded"},
	} {
		s.must(s.model.SetRules(s.ctx, llm.Rule{Contains: code, Fault: llm.Fault{Kind: llm.FaultStatus, Code: code}}))
		err := ask(acme, func(r *goopenai.ChatCompletionRequest) { r.Messages[0].Content = code })
		s.refused("the provider's "+code, err, want.status, want.code)
	}
	s.must(s.model.SetRules(s.ctx))
}

// rotate changes keys with an overlap, then suspends the tenant.
func (s *stage) rotate() {
	ask := func(key string) error {
		_, err := s.via(1, key).CreateChatCompletion(s.ctx, question("q"))
		return err
	}
	s.refused("before", ask(newKey), 401, "invalid_api_key")
	s.publish("acme", "limits: {per_user_per_minute: 0}", "[env:ACME_API_KEY, env:ACME_API_KEY_2]")
	s.eventually("the new key opens", func() bool { return ask(newKey) == nil })
	s.must(ask(keyOfAcme))
	s.publish("acme", "limits: {per_user_per_minute: 0}", "[env:ACME_API_KEY_2]")
	s.eventually("the old key is shut", func() bool { got, _ := status(ask(keyOfAcme)); return got == 401 })
	s.must(ask(newKey))
	s.publish("acme", "state: suspended", "[env:ACME_API_KEY_2]")
	s.eventually("the tenant is suspended", func() bool { got, _ := status(ask(newKey)); return got == 403 })
	s.refused("suspended", ask(newKey), 403, "account_deactivated")
	if _, err := s.via(1, keyOfOther).ListModels(s.ctx); err != nil {
		s.Errorf("another company: %v", err)
	}
}

// A caller that leaves ends the provider's stream: nobody pays for what nobody reads.
func TestLeave(t *testing.T) {
	s := newStage(t, llm.Pace{First: 50 * time.Millisecond, Between: 200 * time.Millisecond, Chunks: 1000})
	for name, leave := range map[string]func(ctx context.Context) error{
		"streams": func(ctx context.Context) error {
			stream, err := s.via(0, keyOfAcme).CreateChatCompletionStream(ctx, question("streams"))
			if err != nil {
				return err
			}
			_, err = stream.Recv()
			return errors.Join(err, stream.Close())
		},
		"waits": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() {
				s.eventually("the model is asked", func() bool { return len(s.entries("waits")) > 0 })
				cancel()
			}()
			_, err := s.via(1, keyOfAcme).CreateChatCompletion(ctx, question("waits"))
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	} {
		s.must(leave(s.ctx))
		left := time.Now()
		s.eventually("the provider sees that its caller left", func() bool {
			e := s.entries(name)
			return len(e) == 1 && e[0].Outcome == llm.Cancelled
		})
		took := s.entries(name)[0].EndedAt.Sub(left)
		t.Logf("%s: the provider saw it %v after", name, took)
		if took > 5*time.Second { // it is milliseconds where the machine is free
			t.Errorf("%s: the provider saw it only after %v", name, took)
		}
	}
	s.eventually("what was spent is told", func() bool {
		by, _ := s.spent("acme")
		return by["openai/gpt-4o-mini"].Calls == 2
	})
}

// Limits hold over both replicas.
func TestLimits(t *testing.T) {
	s := newStage(t, llm.Pace{})
	ask := func(replica int) (answered bool, err error) {
		_, err = s.via(replica, keyOfAcme).CreateChatCompletion(s.ctx, question("q"))
		return err == nil, err
	}
	s.publish("acme", "limits: {per_user_per_minute: 6}", "env:ACME_API_KEY")
	var limit error
	s.eventually("the limit is in force", func() bool {
		var ok bool
		ok, limit = ask(0)
		return !ok
	})
	s.refused("over the rate", limit, 429, "rate_limit_exceeded")
	_, err := ask(1)
	s.refused("at the other replica", err, 429, "rate_limit_exceeded")
	if resp := s.post(0, keyOfAcme); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s without a Retry-After: %v", resp.Status, resp.Header)
	}

	by, _ := s.spent("acme")
	spent := by["openai/gpt-4o-mini"].Sum()
	s.publish("acme", "limits: {per_user_per_minute: 0, tokens_per_day: 100}", "env:ACME_API_KEY")
	for replica := range 2 {
		s.eventually("the day's tokens are spent", func() bool { _, err = ask(replica); _, code := status(err); return code == any("insufficient_quota") })
	}
	if resp := s.post(1, keyOfAcme); resp.StatusCode != 429 || resp.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if by, _ := s.spent("acme"); by["openai/gpt-4o-mini"].Sum() < spent {
		t.Errorf("usage went from %d to %+v", spent, by)
	}

	s.must(s.model.SetPace(s.ctx, llm.Pace{First: 6 * time.Second}))
	s.eventually("three run at once", func() bool {
		results := make(chan error, 8)
		for i := range cap(results) {
			go func() {
				_, err := s.via(i%2, keyOfOther).CreateChatCompletion(s.ctx, question("q"))
				results <- err
			}()
		}
		answered := cap(results)
		for range cap(results) {
			if err := <-results; err != nil {
				s.refused("over the turns in flight", err, 429, "rate_limit_exceeded")
				answered--
			}
		}
		if answered > 3 {
			s.Errorf("%d were answered at once, the limit is 3", answered)
		}
		return answered == 3
	})
}

func (s *stage) post(replica int, key string) *http.Response {
	s.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+s.clients[replica].Addr+"/v1/chat/completions",
		strings.NewReader(`{"model":"chat","messages":[{"role":"user","content":"q"}]}`))
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	s.must(resp.Body.Close())
	return resp
}
