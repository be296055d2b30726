package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
	"parley/internal/llm"
)

// The bytes that are sent are those of go-openai's request.
func TestBodyIsGoOpenAIs(t *testing.T) {
	hot, seed := 0.25, int64(7)
	odd := "\"\\\n\x00<a>&\u2028😀\xff"
	for name, c := range map[string]llm.Call{
		"least": {Model: "m", Question: "q"},
		"long":  long(),
		"odd":   {Model: odd, System: odd, Question: odd, User: odd, History: []chat.Turn{{Question: odd, Answer: odd}}},
		"pictures": {Model: "m", Question: "这是什么", History: []chat.Turn{{Question: "一", Answer: "1"}},
			Images: []chat.Picture{{Type: "image/png", Data: []byte("\x89PNG\x00\xff")}, {Type: `odd","`, Data: nil}}},
		"sampling": {Model: "m", Question: "q", MaxOutput: 5, Sampling: &chat.Sampling{Temperature: &hot, Seed: &seed, Stop: []string{"。"}, JSON: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := newProvider(t, "http://x").newBody(&c)
			if err != nil {
				t.Fatal(err)
			}
			var got goopenai.ChatCompletionRequest
			if err := json.Unmarshal(b.rest, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(goOpenAIs(t, c), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// goOpenAIs is a call as go-openai has it, after its own encoding.
func goOpenAIs(t *testing.T, c llm.Call) (r goopenai.ChatCompletionRequest) {
	t.Helper()
	r = goopenai.ChatCompletionRequest{Model: c.Model, Stream: true, StreamOptions: &goopenai.StreamOptions{IncludeUsage: true}, User: c.User,
		MaxTokens: c.MaxOutput}
	add := func(role, text string) {
		r.Messages = append(r.Messages, goopenai.ChatCompletionMessage{Role: role, Content: text})
	}
	if c.System != "" {
		add("system", c.System)
	}
	for _, turn := range c.History {
		add("user", turn.Question)
		add("assistant", turn.Answer)
	}
	if len(c.Images) == 0 {
		add("user", c.Question)
	} else {
		var parts []goopenai.ChatMessagePart
		for _, p := range c.Images {
			url := "data:" + p.Type + ";base64," + base64.StdEncoding.EncodeToString(p.Data)
			parts = append(parts, goopenai.ChatMessagePart{Type: "image_url", ImageURL: &goopenai.ChatMessageImageURL{URL: url}})
		}
		parts = append(parts, goopenai.ChatMessagePart{Type: "text", Text: c.Question})
		r.Messages = append(r.Messages, goopenai.ChatCompletionMessage{Role: "user", MultiContent: parts})
	}
	if s := c.Sampling; s != nil {
		seed := int(*s.Seed)
		r.Temperature, r.Seed, r.Stop = float32(*s.Temperature), &seed, s.Stop
		r.ResponseFormat = &goopenai.ChatCompletionResponseFormat{Type: "json_object"}
	}
	b, err := json.Marshal(r)
	if err := errors.Join(err, json.Unmarshal(b, &r)); err != nil {
		t.Fatal(err)
	}
	return r
}

func newProvider(t testing.TB, url string) *Provider {
	t.Helper()
	p, err := New(llm.Endpoint{BaseURL: url, Connect: 5 * time.Second}, llm.Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestBodyGivesItsBufferBack(t *testing.T) {
	p := newProvider(t, "http://x")
	for name, end := range map[string]func(*body) error{
		"read":   func(b *body) error { _, err := io.Copy(io.Discard, b); return err },
		"closed": func(b *body) error { return b.Close() },
		"cut": func(b *body) error {
			if n, err := b.Read(make([]byte, 3)); n != 3 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			return errors.Join(b.Close(), b.Close())
		},
	} {
		b, err := p.newBody(new(long()))
		if err != nil {
			t.Fatal(err)
		}
		if err := end(b); err != nil || b.buffer != nil {
			t.Errorf("%s: %v, buffer %v", name, err, b.buffer != nil)
		}
		want := io.ErrClosedPipe
		if name == "read" {
			want = io.EOF
		}
		if n, err := b.Read(make([]byte, 9)); n != 0 || !errors.Is(err, want) {
			t.Errorf("%s: read %d, %v afterwards", name, n, err)
		}
	}
}

// A transport may close a body while it reads it.
func TestBodyIsClosedWhileRead(t *testing.T) {
	p := newProvider(t, "http://x")
	for range 50 {
		b, err := p.newBody(new(long()))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, b) })
		wg.Go(func() { _ = b.Close() })
		wg.Go(func() { _, _ = p.newBody(new(long())) })
		wg.Wait()
	}
}

// spy sees the body of the last request.
type spy struct {
	http.RoundTripper
	last *body
}

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.last = r.Body.(*body)
	return s.RoundTripper.RoundTrip(r)
}

// While a model thinks, a turn does not hold its request's bytes.
func TestWaitingHoldsNoBody(t *testing.T) {
	for name, prior := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			asked, end := make(chan string, 1), make(chan struct{})
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				all, _ := io.ReadAll(r.Body)
				asked <- string(all)
				<-end
				_, _ = w.Write(fixture(t, "complete"))
			}))
			s.Config.Protocols = &http.Protocols{}
			s.Config.Protocols.SetHTTP1(!prior)
			s.Config.Protocols.SetUnencryptedHTTP2(prior)
			s.Start()
			defer s.Close()
			p, err := New(llm.Endpoint{BaseURL: s.URL, Connect: 5 * time.Second, PriorKnowledge: prior}, llm.Dialect{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			look := &spy{RoundTripper: p.http.Transport}
			p.http.Transport = look
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := p.Complete(context.WithoutCancel(t.Context()), long(), ignore); err != nil {
					t.Error(err)
				}
			})
			sent := <-asked
			look.last.mu.Lock()
			held := look.last.buffer != nil
			look.last.mu.Unlock()
			close(end)
			wg.Wait()
			want, err := p.appendBody(nil, new(long()))
			if held || err != nil || sent != string(want) {
				t.Errorf("held: %v, %v, sent %d bytes of %d", held, err, len(sent), len(want))
			}
		})
	}
}
