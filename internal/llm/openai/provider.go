package openai

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
)

// op is the operation of all errors of a call until [Provider.report] names the dialect.
const op = "complete"

// How long the rest of a finished stream is waited for: the usage, then the end that lets the connection be used again.
const (
	usageWait = 2 * time.Second
	endWait   = 100 * time.Millisecond
)

// Provider is the client of one endpoint. It is safe for concurrent use.
type Provider struct {
	name    string // of the dialect, for errors
	url     string // of chat completions
	models  string // of the list of models
	show    shower
	appID   string
	dialect llm.Dialect
	http    *http.Client
	gate    *gate
	buffers sync.Pool // of *[]byte, for bodies of requests
	readers sync.Pool // of *bufio.Reader, for streams
}

var _ llm.Provider = (*Provider)(nil)

// Factory makes clients that speak a dialect; the zero Dialect is OpenAI's own.
func Factory(d llm.Dialect) llm.Factory {
	return func(e llm.Endpoint) (llm.Provider, error) { return New(e, d) }
}

// New makes the client of an endpoint, which calls BaseURL + /chat/completions; a query of BaseURL stands behind that. It opens no
// connection.
func New(e llm.Endpoint, d llm.Dialect) (*Provider, error) {
	name := cmp.Or(e.Dialect, "openai")
	if e.BaseURL == "" {
		return nil, chat.E(chat.Invalid, name+".new", errors.New("base_url is missing"))
	}
	show, err := showerOf(e.Auth, &d)
	if err != nil {
		return nil, chat.E(chat.Invalid, name+".new", err)
	}
	base, query, has := strings.Cut(e.BaseURL, "?")
	if has {
		query = "?" + query
	}
	return &Provider{
		name: name, url: base + "/chat/completions" + query, models: base + "/models" + query,
		show: show, appID: e.AppID, dialect: d, http: newClient(e), gate: newGate(e),
	}, nil
}

// Close gives idle connections back.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// report makes an error fit to leave: it says which dialect's call failed, and does not repeat the key.
func (p *Provider) report(step string, err error, key chat.Secret) error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		named := *e
		named.Op = p.name + "." + step
		err = &named
	}
	return discreet(err, key)
}

// Complete implements [llm.Provider].
func (p *Provider) Complete(ctx context.Context, c llm.Call, emit func(string) error) (llm.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &answer{dialect: &p.dialect, emit: emit, readers: &p.readers, cancel: cancel}
	err := p.complete(ctx, &c, a)
	got := llm.Answer{Text: a.text.String(), Usage: a.usage}
	if err == nil {
		got.FinishReason = a.finish.Reason
		return got, nil
	}
	if e, ok := errors.AsType[emitError](err); ok {
		return got, e.error
	}
	return got, p.report("complete", err, c.Key)
}

// complete waits for the answer: what builds the request has returned by then, and its stack is not kept.
func (p *Provider) complete(ctx context.Context, c *llm.Call, a *answer) error {
	body, err := p.open(ctx, c)
	if err != nil {
		return err
	}
	defer body.Close()
	return a.gather(body)
}

// open makes the call, and gives the stream of its answer.
func (p *Provider) open(ctx context.Context, c *llm.Call) (io.ReadCloser, error) {
	req, err := p.newRequest(ctx, c)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := p.gate.enter(ctx)
	if err != nil {
		_ = req.Body.Close()
		return nil, transportError(err)
	}
	defer leave()
	resp, err := p.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, transportError(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, statusError(&p.dialect, resp)
	}
	return resp.Body, nil
}

// Check asks for the list of models, which costs nothing, and gives a [*chat.Error] if the address does not answer or the key is
// refused. Not every vendor judges keys there, and not every one has such a list: nil does not prove the key.
func (p *Provider) Check(ctx context.Context, key chat.Secret) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.models, nil)
	if err != nil {
		return p.report("check", chat.E(chat.Internal, op, err), key)
	}
	if err := p.sign(req, key); err != nil {
		return p.report("check", err, key)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return p.report("check", transportError(err), key)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return p.report("check", statusError(&p.dialect, resp), key)
	}
	return nil
}
