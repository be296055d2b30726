package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
	"parley/internal/moderation"
	"parley/internal/sim/llm"
	"parley/test/ledger"
)

const refusedText = "抱歉，这条消息或它的回答包含不允许的内容，无法显示。"

// moderate puts rules in force at both replicas, which they are once a word refuses what people write.
func (s *stage) moderate(rules string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.live, "tenant.acme.yaml"), []byte(`name: acme
history: {turns: 20, ttl: 30m}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m}
moderation: `+rules+`
channels:
  - {name: web, kind: web, access: token, tokens: env:ACME_WEB_TOKEN}
  - {name: api, kind: openai, keys: env:ACME_API_KEY, per_minute: 0}
`), 0o600))
}

// api is a client of OpenAI's, of another make.
func (s *stage) api(replica int) *goopenai.Client {
	cfg := goopenai.DefaultConfig(apiKey)
	cfg.BaseURL = "http://" + s.clients[replica].Addr + "/v1"
	return goopenai.NewClientWithConfig(cfg)
}

func asked(question string) goopenai.ChatCompletionRequest {
	return goopenai.ChatCompletionRequest{Model: "chat", Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: question}}}
}

// awaitRules asks until each replica refuses what the rules refuse.
func (s *stage) awaitRules(question string) {
	s.Helper()
	for i := range s.clients {
		for {
			_, err := s.api(i).CreateChatCompletion(s.ctx, asked(question))
			if e, ok := errors.AsType[*goopenai.APIError](err); ok && e.HTTPStatusCode == http.StatusBadRequest && e.Code == "content_filter" {
				break
			}
			select {
			case <-s.ctx.Done():
				s.Fatalf("replica %d does not take the rules: %v", i, err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// What it must not say never shows, not even partly, on the page or in a stream of the
// API, and what may be said is shown while it is written.
func TestModeration(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var hooked atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hooked.Add(1)
		body, _ := io.ReadAll(r.Body)
		var q struct{ Text, Direction, Tenant string }
		if err := json.Unmarshal(body, &q); err != nil || q.Tenant != "acme" ||
			r.Header.Get("X-Parley-Signature") != "v1="+moderation.Signature(chat.NewSecret(hookKey), r.Header.Get("X-Parley-Timestamp"), body) {
			t.Errorf("the hook was asked %s", body)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"allow": !strings.Contains(q.Text, "钩子不许"), "reason": "test"})
	}))
	defer hook.Close()
	s := newStage(ctx, t, llm.Pace{First: 50 * time.Millisecond, Between: 150 * time.Millisecond}, fmt.Sprintf("moderation: [%q]\n", hook.URL))
	s.moderate("{words: [编号的问题], on: output}")
	s.awaitRules("随便说")
	b := open(t, s.entry.Addr)
	go b.watch(ctx)
	harmless := func(n int) string { return ledger.Question(ledger.ID{Person: "zhang", N: n}) }
	const forbidden = "没有号码" // its answer: （这不是编号的问题）
	b.say(ctx, "m1", harmless(1))
	if got := b.await(ctx, 1)[0].Text; got == refusedText {
		t.Errorf("answered %q", got)
	}
	b.say(ctx, "m2", forbidden)
	if got := b.await(ctx, 2)[1].Text; got != refusedText {
		t.Errorf("answered %q", got)
	}
	b.say(ctx, "m3", harmless(2))
	if got := b.await(ctx, 3)[2].Text; got == refusedText {
		t.Errorf("answered %q", got)
	}
	b.mu.Lock()
	shown := strings.Join(b.shown, "\n")
	if b.live["m1"] == 0 || b.live["m2"] == 0 {
		t.Errorf("partial text was shown %v times", b.live)
	}
	b.mu.Unlock()
	if !strings.Contains(shown, "这不是") || strings.Contains(shown, "编") {
		t.Errorf("of the word was shown:\n%s", shown)
	}

	stream, err := s.api(0).CreateChatCompletionStream(ctx, asked(forbidden))
	s.must(err)
	defer stream.Close()
	var text strings.Builder
	var end goopenai.FinishReason
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		s.must(err)
		for _, c := range chunk.Choices {
			text.WriteString(c.Delta.Content)
			if c.FinishReason != "" {
				end = c.FinishReason
			}
		}
	}
	if got := text.String(); got != "（这不是" || end != "content_filter" {
		t.Errorf("the stream said %q and ended with %q", got, end)
	}

	s.moderate(fmt.Sprintf("{hook: {url: %s/judge, secret: env:ACME_HOOK, on: [input, output]}}", hook.URL))
	s.awaitRules(harmless(9) + "钩子不许") // the rules before let it pass
	b.mu.Lock()
	clear(b.live)
	b.mu.Unlock()
	b.say(ctx, "m4", harmless(3))
	if got := b.await(ctx, 4)[3].Text; got == refusedText {
		t.Errorf("answered %q", got)
	}
	b.say(ctx, "m5", "这是钩子不许的")
	if got := b.await(ctx, 5)[4].Text; got != refusedText {
		t.Errorf("answered %q", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.live) != 0 {
		t.Errorf("partial text was shown before the hook had judged: %v", b.live)
	}
	if hooked.Load() < 4 {
		t.Errorf("the hook was asked %d times", hooked.Load())
	}
	for _, e := range s.entries() {
		if strings.Contains(e, "这是钩子不许的") {
			t.Errorf("a model was asked %q", e)
		}
	}
	for i := range s.clients {
		log, err := os.ReadFile(s.clients[i].Log)
		s.must(err)
		if l := string(log); strings.Contains(l, "编号") || strings.Contains(l, "钩子") || !strings.Contains(l, `"msg":"moderation"`) {
			t.Errorf("the log of replica %d tells a text, or not of moderation", i)
		}
	}
}

// entries are the last messages that the model was asked.
func (s *stage) entries() (list []string) {
	s.Helper()
	all, err := s.model.Ledger(s.ctx)
	s.must(err)
	for _, e := range all {
		list = append(list, e.Last)
	}
	return list
}
