package openai

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
	"parley/internal/jsonstr"
	"parley/internal/llm"
)

// newRequest builds the HTTP request of a call.
func (p *Provider) newRequest(ctx context.Context, c *llm.Call) (*http.Request, error) {
	body, err := p.newBody(c)
	if err != nil {
		return nil, chat.E(chat.Internal, op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, body)
	if err != nil {
		return nil, chat.E(chat.Internal, op, err)
	}
	req.ContentLength = int64(len(body.rest))
	req.GetBody = func() (io.ReadCloser, error) { return p.newBody(c) } // for a connection that the provider had just closed
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	return req, p.sign(req, c.Key)
}

// appendBody appends the request as the dialect wants it. It has the form of goopenai.ChatCompletionRequest, whose own encoding costs ten times
// as much.
func (p *Provider) appendBody(b []byte, c *llm.Call) ([]byte, error) {
	model := c.Model
	if p.dialect.LowerModel {
		model = strings.ToLower(model)
	}
	b = jsonstr.AppendQuoted(append(b, `{"model":`...), model)
	b = appendMessages(append(b, `,"messages":`...), c)
	b = append(b, `,"stream":true`...)
	if !p.dialect.NoStreamOptions {
		b = append(b, `,"stream_options":{"include_usage":true}`...)
	}
	fields := p.fields(c)
	if len(fields) == 0 {
		return append(b, '}'), nil
	}
	more, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return append(append(b, ','), more[1:]...), nil // {a and {b} become {a,b}
}

// fields are those that not every request has.
func (p *Provider) fields(c *llm.Call) map[string]any {
	fields := map[string]any{}
	if p.dialect.Extra != nil {
		maps.Copy(fields, p.dialect.Extra(*c))
	}
	if c.User != "" {
		fields[cmp.Or(p.dialect.UserField, "user")] = c.User
	}
	p.sampling(fields, c)
	if n := p.maxOutput(c); n > 0 {
		fields[p.maxTokensField(c.Model)] = n
	}
	return fields
}

// maxOutput bounds the wish by what the model can write.
func (p *Provider) maxOutput(c *llm.Call) int {
	wish, longest := c.MaxOutput, 0
	for prefix, most := range p.dialect.MaxOutput {
		if len(prefix) > longest && strings.HasPrefix(strings.ToLower(c.Model), prefix) {
			longest, wish = len(prefix), min(c.MaxOutput, most)
		}
	}
	return wish
}

// maxTokensField: OpenAI's reasoning models refuse max_tokens, and many compatible servers know nothing else.
func (p *Provider) maxTokensField(model string) string {
	if p.dialect.MaxTokens != "" {
		return p.dialect.MaxTokens
	}
	if reasons(model) {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

// reasons knows OpenAI's reasoning models by their names.
func reasons(model string) bool {
	return slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5", "gpt-6"}, func(prefix string) bool { return strings.HasPrefix(model, prefix) })
}

func appendMessages(b []byte, c *llm.Call) []byte {
	b = append(b, '[')
	if c.System != "" {
		b = append(appendMessage(b, goopenai.ChatMessageRoleSystem, c.System), ',')
	}
	for _, t := range c.History {
		b = append(appendMessage(b, goopenai.ChatMessageRoleUser, t.Question), ',')
		b = append(appendMessage(b, goopenai.ChatMessageRoleAssistant, t.Answer), ',')
	}
	if len(c.Images) > 0 {
		b = appendLook(b, c)
	} else {
		b = appendMessage(b, goopenai.ChatMessageRoleUser, c.Question)
	}
	return append(b, ']')
}

func appendMessage(b []byte, role, text string) []byte {
	b = append(append(b, `{"role":"`...), role...)
	b = jsonstr.AppendQuoted(append(b, `","content":`...), text)
	return append(b, '}')
}

// appendLook appends a question with its pictures, which travel in the request itself: no vendor needs to fetch them.
func appendLook(b []byte, c *llm.Call) []byte {
	b = append(b, `{"role":"user","content":[`...)
	for _, p := range c.Images {
		b = jsonstr.AppendQuoted(append(b, `{"type":"image_url","image_url":{"url":`...), "data:"+p.Type+";base64,")
		b = base64.StdEncoding.AppendEncode(b[:len(b)-1], p.Data)
		b = append(b, `"}},`...)
	}
	b = jsonstr.AppendQuoted(append(b, `{"type":"text","text":`...), c.Question)
	return append(b, "}]}"...)
}
