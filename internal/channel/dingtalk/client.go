package dingtalk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	pathToken    = "/v1.0/oauth2/accessToken" //nolint:gosec // a path
	pathOpen     = "/v1.0/gateway/connections/open"
	pathCreate   = "/v1.0/card/instances/createAndDeliver"
	pathStream   = "/v1.0/card/streaming"
	pathPerson   = "/v1.0/robot/oToMessages/batchSend"
	pathGroup    = "/v1.0/robot/groupMessages/send"
	pathDownload = "/v1.0/robot/messageFiles/download"
)

// client calls DingTalk for one application. It is safe for concurrent use.
type client struct {
	origin string
	key    string
	secret chat.Secret
	http   *http.Client
	token  *channel.AccessToken
	budget *budget
}

func newClient(tenant, key string, secret chat.Secret, d channel.Deps) *client {
	c := &client{origin: d.Origins.DingTalk, key: key, secret: secret, http: channel.NoRedirects(d.HTTP), budget: newBudget(tenant, key, d)}
	c.token = channel.NewAccessToken("dingtalk", tenant+"/dingtalk/token/"+key+"/"+secret.Fingerprint(), d, c.fetchToken)
	return c
}

// answer is what came back of a call.
type answer struct {
	status int
	body   []byte
}

// call posts in to a path of the API and decodes the answer into out. A refused token is replaced and the call repeated, once. It waits for a place
// in the application's budget, for most at most. Errors are *chat.Error; Maybe says that the call left and its answer is lost.
func (c *client) call(ctx context.Context, method, path string, in, out any, most time.Duration) error {
	body, err := encode(in)
	if err != nil {
		return chat.E(chat.Internal, opOf(path), err)
	}
	token, err := c.token.Get(ctx)
	if err != nil {
		return err
	}
	err = c.try(ctx, method, path, token, body, out, most)
	if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.Unauthenticated {
		return err
	}
	if token, err = c.token.Replace(ctx, token); err != nil {
		return err
	}
	return c.try(ctx, method, path, token, body, out, most)
}

func (c *client) try(ctx context.Context, method, path string, token chat.Secret, body []byte, out any, most time.Duration) error {
	if most != taken {
		if err := c.budget.take(ctx, path, most); err != nil {
			return err
		}
	}
	err := c.ask(ctx, method, path, token, body, out)
	c.budget.refused(path, err)
	return err
}

// ask makes one call and counts nothing.
func (c *client) ask(ctx context.Context, method, path string, token chat.Secret, body []byte, out any) error {
	op := opOf(path)
	a, err := c.send(ctx, op, method, c.origin+path, body, http.Header{"X-Acs-Dingtalk-Access-Token": {token.Reveal()}})
	if err != nil {
		return err
	}
	if !a.ok() {
		e := apiError(op, a)
		e.Err = errors.New(channel.Redact(e.Err.Error(), c.secret, token))
		return e
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return foreign(op)
	}
	return nil
}

func foreign(op string) *chat.Error {
	e := chat.E(chat.Unavailable, op, errors.New("the answer is not DingTalk's"))
	e.Maybe = true
	return e
}

// send makes one request with a JSON body.
func (c *client) send(ctx context.Context, op, method, address string, body []byte, header http.Header) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, chat.E(chat.Internal, op, errors.New("the address is none"))
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, channel.Lost(op, err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, channel.Lost(op, err, true)
	}
	return answer{resp.StatusCode, got}, nil
}

// fetchToken implements channel.FetchToken (document "obtain the access token of an internal app"). Asking again while one is valid gives the same.
func (c *client) fetchToken(ctx context.Context) (token chat.Secret, life time.Duration, err error) {
	const op = "dingtalk.accessToken"
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	body, err := encode(map[string]string{"appKey": c.key, "appSecret": c.secret.Reveal()})
	if err != nil {
		return token, 0, chat.E(chat.Internal, op, err)
	}
	a, err := c.send(ctx, op, http.MethodPost, c.origin+pathToken, body, nil)
	if e, ok := errors.AsType[*chat.Error](err); ok {
		e.Maybe = false // no person sees a token
		return token, 0, e
	}
	if !a.ok() {
		e := apiError(op, a)
		e.Err, e.Maybe = errors.New(channel.Redact(e.Err.Error(), c.secret)), false
		return token, 0, e
	}
	var got struct {
		Token string `json:"accessToken"`
		Life  int64  `json:"expireIn"`
	}
	if json.Unmarshal(a.body, &got) != nil || got.Token == "" {
		return token, 0, chat.E(chat.Unavailable, op, errors.New("the answer holds no accessToken"))
	}
	return chat.NewSecret(got.Token), time.Duration(got.Life) * time.Second, nil
}

// opOf names a call in errors: "dingtalk.createAndDeliver".
func opOf(path string) string { return "dingtalk." + path[strings.LastIndex(path, "/")+1:] }
