package openai

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/chat"
	"parley/internal/llm"
)

// newRequest builds the HTTP request of a call.
func (p *Provider) newRequest(ctx context.Context, c llm.Call) (*http.Request, error) {
	body, err := p.body(c)
	if err != nil {
		return nil, chat.E(chat.Internal, op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, chat.E(chat.Internal, op, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	return req, p.sign(req, c.Key)
}

// body is the request as the dialect wants it.
func (p *Provider) body(c llm.Call) ([]byte, error) {
	r := goopenai.ChatCompletionRequest{Model: c.Model, Messages: messages(c), Stream: true}
	if p.dialect.LowerModel {
		r.Model = strings.ToLower(c.Model)
	}
	if !p.dialect.NoStreamOptions {
		r.StreamOptions = &goopenai.StreamOptions{IncludeUsage: true}
	}
	extra := map[string]any{}
	if p.dialect.Extra != nil {
		for name, value := range p.dialect.Extra(c) {
			extra[name] = value
		}
	}
	if c.User != "" {
		field := p.dialect.UserField
		if field == "" {
			field = "user"
		}
		extra[field] = c.User
	}
	p.sampling(extra, c)
	if n := p.maxOutput(c); n > 0 {
		extra[p.maxTokensField(c.Model)] = n
	}
	body, err := json.Marshal(r)
	if err != nil || len(extra) == 0 {
		return body, err
	}
	more, err := json.Marshal(extra)
	if err != nil {
		return nil, err
	}
	// Both are objects with at least one field: {a} and {b} become {a,b}.
	return append(append(body[:len(body)-1], ','), more[1:]...), nil
}

// maxOutput bounds the wish by what the model can write.
func (p *Provider) maxOutput(c llm.Call) int {
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

func messages(c llm.Call) []goopenai.ChatCompletionMessage {
	list := make([]goopenai.ChatCompletionMessage, 0, 2*len(c.History)+2)
	add := func(role, text string) {
		list = append(list, goopenai.ChatCompletionMessage{Role: role, Content: text})
	}
	if c.System != "" {
		add(goopenai.ChatMessageRoleSystem, c.System)
	}
	for _, t := range c.History {
		add(goopenai.ChatMessageRoleUser, t.Question)
		add(goopenai.ChatMessageRoleAssistant, t.Answer)
	}
	if len(c.Images) == 0 {
		add(goopenai.ChatMessageRoleUser, c.Question)
		return list
	}
	return append(list, goopenai.ChatCompletionMessage{Role: goopenai.ChatMessageRoleUser, MultiContent: parts(c)})
}

// parts are a question and its pictures, which travel in the request itself: no vendor needs to fetch them.
func parts(c llm.Call) []goopenai.ChatMessagePart {
	list := make([]goopenai.ChatMessagePart, 0, len(c.Images)+1)
	for _, p := range c.Images {
		list = append(list, goopenai.ChatMessagePart{
			Type:     goopenai.ChatMessagePartTypeImageURL,
			ImageURL: &goopenai.ChatMessageImageURL{URL: "data:" + p.Type + ";base64," + base64.StdEncoding.EncodeToString(p.Data)},
		})
	}
	return append(list, goopenai.ChatMessagePart{Type: goopenai.ChatMessagePartTypeText, Text: c.Question})
}
