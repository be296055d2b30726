package openai

import (
	"context"
	"errors"
	"net/http"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
)

const op = "openai.complete"

// How long the rest of a finished stream is waited for: the usage, then the end that lets the connection be used again.
const (
	usageWait = 2 * time.Second
	endWait   = 100 * time.Millisecond
)

// Provider is the client of one endpoint. It is safe for concurrent use.
type Provider struct {
	url     string
	dialect llm.Dialect
	http    *http.Client
}

var _ llm.Provider = (*Provider)(nil)

// Factory makes clients that speak a dialect; the zero Dialect is OpenAI's own.
func Factory(d llm.Dialect) llm.Factory {
	return func(e llm.Endpoint) (llm.Provider, error) { return New(e, d) }
}

// New makes the client of an endpoint, which calls BaseURL + /chat/completions. It opens no connection.
func New(e llm.Endpoint, d llm.Dialect) (*Provider, error) {
	if e.BaseURL == "" {
		return nil, chat.E(chat.Invalid, "openai.new", errors.New("base_url is missing"))
	}
	return &Provider{url: e.BaseURL + "/chat/completions", dialect: d, http: newClient(e)}, nil
}

// Close gives idle connections back.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// Complete implements [llm.Provider].
func (p *Provider) Complete(ctx context.Context, c llm.Call, emit func(string) error) (llm.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := p.newRequest(ctx, c)
	if err != nil {
		return llm.Answer{}, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return llm.Answer{}, transportError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return llm.Answer{}, statusError(&p.dialect, resp)
	}
	var rest *time.Timer
	a := &answer{dialect: &p.dialect, emit: emit, finished: func() { rest = time.AfterFunc(usageWait, cancel) }}
	src := newEvents(resp.Body)
	err = a.read(src)
	if a.done && rest != nil {
		rest.Reset(endWait)
		_, _ = src.next() // reads the end, so that an HTTP/1.1 connection can carry the next call
	}
	if rest != nil {
		rest.Stop()
	}
	if err != nil {
		if e, ok := errors.AsType[emitError](err); ok {
			err = e.error
		}
		return llm.Answer{}, err
	}
	return llm.Answer{Text: a.text.String(), FinishReason: a.finish.Reason, Usage: a.usage}, nil
}
