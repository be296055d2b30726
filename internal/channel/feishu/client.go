package feishu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	callWithin  = 8 * time.Second
	fetchWithin = 5 * time.Second
	maxAnswer   = 1 << 20
)

// The API's paths.
const (
	pathToken    = "/open-apis/auth/v3/tenant_access_token/internal" //nolint:gosec // a path
	pathBot      = "/open-apis/bot/v3/info"
	pathScopes   = "/open-apis/application/v6/scopes"
	pathMessages = "/open-apis/im/v1/messages"
	pathCards    = "/open-apis/cardkit/v1/cards"
	pathEndpoint = "/callback/ws/endpoint"
)

// client calls Feishu for one application. It is safe for concurrent use.
type client struct {
	origin string
	app    string
	secret chat.Secret
	http   *http.Client
	token  *channel.AccessToken
	budget *budget
}

func newClient(tenant, app string, secret chat.Secret, d channel.Deps) *client {
	c := &client{origin: d.Origins.Feishu, app: app, secret: secret, http: channel.NoRedirects(d.HTTP), budget: newBudget(tenant, app, d)}
	c.token = channel.NewAccessToken("feishu", tenant+"/feishu/token/"+app+"/"+secret.Fingerprint(), d, c.fetchToken)
	return c
}

// request is one call of the API.
type request struct {
	api          string // its name, in errors and in the budget
	method, path string // the path with its query
	in           any    // sent as JSON; nil: nothing
	out          any    // the answer's data is decoded into it; nil: nothing
	raw          *file  // in place of out: the answer is a file
	most         time.Duration
}

// file is an answer that is no JSON, of at most limit bytes.
type file struct {
	limit int
	data  []byte
}

func (r request) op() string { return "feishu." + r.api }

// call makes a request. A refused token is replaced and the call repeated, once. It waits for a place in the application's budget, for r.most at
// most. Errors are *chat.Error; Code is the platform's; Maybe says that the call left and its answer is lost.
func (c *client) call(ctx context.Context, r request) error {
	token, err := c.token.Get(ctx)
	if err != nil {
		return err
	}
	if err := c.budget.take(ctx, r.api, r.most); err != nil {
		return err
	}
	err = c.try(ctx, r, token)
	if !tokenRefused(err) {
		return err
	}
	if token, err = c.token.Replace(ctx, token); err != nil {
		return err
	}
	return c.try(ctx, r, token)
}

func (c *client) try(ctx context.Context, r request, token chat.Secret) error {
	err := c.send(ctx, r, token)
	c.budget.refused(r.api, err)
	return err
}

// send makes a request with a token, if there is one.
func (c *client) send(ctx context.Context, r request, token chat.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	var body io.Reader
	if r.in != nil {
		raw, err := encode(r.in)
		if err != nil {
			return chat.E(chat.Internal, r.op(), err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.origin+r.path, body)
	if err != nil {
		return chat.E(chat.Internal, r.op(), errors.New("the address is none"))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if !token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return channel.Lost(r.op(), err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	if r.raw != nil && resp.StatusCode == http.StatusOK && !strings.Contains(resp.Header.Get("Content-Type"), "application/json") {
		return r.raw.read(r.op(), resp.Body)
	}
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return channel.Lost(r.op(), err, true)
	}
	return c.judge(r, resp, got, token)
}

func (f *file) read(op string, from io.Reader) (err error) {
	if f.data, err = io.ReadAll(io.LimitReader(from, int64(f.limit)+1)); err != nil {
		return channel.Lost(op, err, false)
	}
	if len(f.data) > f.limit {
		return chat.E(chat.TooLarge, op, fmt.Errorf("the file has more than %d bytes", f.limit))
	}
	return nil
}

// judge reads an answer. Errors come with statuses of their own, and in some APIs with 200.
func (c *client) judge(r request, resp *http.Response, got []byte, token chat.Secret) error {
	var said struct {
		Code    *int64          `json:"code"`
		Message string          `json:"msg"`
		Data    json.RawMessage `json:"data"`
	}
	isJSON := json.Unmarshal(got, &said) == nil && said.Code != nil
	switch {
	case isJSON && (*said.Code != 0 || resp.StatusCode != http.StatusOK):
		return errorOf(r.op(), resp.StatusCode, resp.Header, *said.Code, channel.Redact(said.Message, c.secret, token))
	case resp.StatusCode != http.StatusOK:
		return errorOf(r.op(), resp.StatusCode, resp.Header, 0, "")
	case !isJSON || r.raw != nil:
		return foreign(r.op())
	case r.out == nil:
		return nil
	}
	if len(said.Data) == 0 { // some answers of old have their fields beside the code
		said.Data = got
	}
	if json.Unmarshal(said.Data, r.out) != nil {
		return foreign(r.op())
	}
	return nil
}

func foreign(op string) *chat.Error {
	e := chat.E(chat.Unavailable, op, errors.New("the answer is not Feishu's"))
	e.Maybe = true
	return e
}

// fetchToken implements channel.FetchToken (document "tenant_access_token of a custom app"). Asking again while one is valid gives the same one until
// its last half hour.
func (c *client) fetchToken(ctx context.Context) (token chat.Secret, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	var got struct {
		Token string `json:"tenant_access_token"`
		Life  int64  `json:"expire"`
	}
	r := request{
		api: "token", method: http.MethodPost, path: pathToken, out: &got,
		in: map[string]string{"app_id": c.app, "app_secret": c.secret.Reveal()},
	}
	if err := c.send(ctx, r, chat.Secret{}); err != nil {
		if e, ok := errors.AsType[*chat.Error](err); ok {
			e.Maybe = false // no person sees a token
		}
		return token, 0, err
	}
	if got.Token == "" {
		return token, 0, chat.E(chat.Unavailable, r.op(), errors.New("the answer holds no tenant_access_token"))
	}
	return chat.NewSecret(got.Token), time.Duration(got.Life) * time.Second, nil
}
