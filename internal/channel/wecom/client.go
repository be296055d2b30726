package wecom

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/util"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	callWithin  = 10 * time.Second
	fetchWithin = 5 * time.Second // well below the time that the lock between replicas lasts
)

// Account is what WeCom hands out one access token for.
type Account struct {
	Tenant string // keeps one tenant from using another's token by naming its CorpID
	CorpID string
	Agent  string // the AgentID, or another word that tells the corp's applications apart
	Secret chat.Secret
}

// Client calls WeCom's API for one account. It is safe for concurrent use.
type Client struct {
	account Account
	origin  string
	http    *http.Client
	token   tokens
}

// tokens hands out an access token, and another in place of one that was refused.
type tokens interface {
	Get(ctx context.Context) (chat.Secret, error)
	Replace(ctx context.Context, refused chat.Secret) (chat.Secret, error)
}

// justFetched is a token that was just fetched and is shared with nobody.
type justFetched struct{ token chat.Secret }

func (f justFetched) Get(context.Context) (chat.Secret, error) { return f.token, nil }

func (f justFetched) Replace(context.Context, chat.Secret) (chat.Secret, error) {
	return chat.Secret{}, chat.E(chat.Unauthenticated, "wecom.token", errors.New("the platform refuses the token that it just gave"))
}

// NewClient makes a client. Of d it uses HTTP, Origins.WeCom, Tokens, Locks, Log and Now; replicas that share Tokens and Locks share
// one access token.
func NewClient(a Account, d channel.Deps) *Client {
	installTransport()
	c := &Client{account: a, origin: d.Origins.WeCom, http: channel.NoRedirects(d.HTTP)}
	key := a.Tenant + "/wecom/" + a.CorpID + "/" + a.Agent + "/" + a.Secret.Fingerprint()
	c.token = channel.NewAccessToken("wecom", key, d, c.fetchToken)
	return c
}

// Post calls path (as "/cgi-bin/message/send") with the very bytes of body and decodes the answer into out, a pointer to a struct that
// embeds the library's util.CommonError. A refused token is replaced and the call repeated, once. It blocks for 10 s at most, and a
// little longer if a token must be fetched. Errors are *chat.Error; Code is the platform's errcode; Maybe says that the call left and
// its answer is lost.
func (c *Client) Post(ctx context.Context, path string, body []byte, out any) error {
	return c.withToken(ctx, func(token chat.Secret) error { return c.call(ctx, path, nil, token, body, out) })
}

// Get is Post for a call without a body.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	return c.withToken(ctx, func(token chat.Secret) error { return c.call(ctx, path, query, token, nil, out) })
}

// withToken does something with the token, and once more with another if it is refused.
func (c *Client) withToken(ctx context.Context, do func(token chat.Secret) error) error {
	token, err := c.token.Get(ctx)
	if err != nil {
		return err
	}
	if err = do(token); !tokenRefused(err) {
		return err
	}
	if token, err = c.token.Replace(ctx, token); err != nil {
		return err
	}
	return do(token)
}

// call makes one call: a GET without a body.
func (c *Client) call(ctx context.Context, path string, query url.Values, token chat.Secret, body []byte, out any) error {
	op := opOf(path)
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	ctx, x := withClient(ctx, c.http)
	address := c.address(path, query, token)
	var answer []byte
	var err error
	if body == nil {
		answer, err = util.HTTPGetContext(ctx, address)
	} else {
		answer, err = util.HTTPPostContext(ctx, address, body, map[string]string{"Content-Type": "application/json"})
	}
	if err != nil {
		return x.lost(op, err)
	}
	return c.decode(x, op, answer, token, out)
}

func opOf(path string) string { return "wecom." + path[strings.LastIndex(path, "/")+1:] }

func (c *Client) address(path string, query url.Values, token chat.Secret) string {
	q := url.Values{"access_token": {token.Reveal()}}
	maps.Copy(q, query)
	return c.origin + path + "?" + q.Encode()
}

func (c *Client) decode(x *exchange, op string, answer []byte, token chat.Secret, out any) error {
	// The library takes an answer without errcode for success; a gateway's page or another service's JSON is not one.
	var probe struct {
		ErrCode *int64 `json:"errcode"`
	}
	if json.Unmarshal(answer, &probe) != nil || probe.ErrCode == nil {
		return x.lost(op, errors.New("the answer is not WeCom's: no errcode"))
	}
	err := util.DecodeWithError(answer, out, op)
	if refusal, ok := errors.AsType[*util.CommonError](err); ok {
		return errorOf(op, refusal.ErrCode, channel.Redact(refusal.ErrMsg, c.account.Secret, token))
	}
	if err != nil {
		return x.lost(op, errors.New("the answer is not WeCom's: a field has the wrong type"))
	}
	return nil
}

// Check asks the platform for a token, past every cache: whether CorpID and secret work from this address. The client that it returns asks with
// this token and needs neither Tokens nor Locks.
func (c *Client) Check(ctx context.Context) (*Client, error) {
	token, _, err := c.fetchToken(ctx)
	if err != nil {
		return nil, err
	}
	checked := *c
	checked.token = justFetched{token}
	return &checked, nil
}

// fetchToken asks for a token (document 91039). Asking again while one is valid gives the same one.
func (c *Client) fetchToken(ctx context.Context) (token chat.Secret, life time.Duration, err error) {
	const op = "wecom.gettoken"
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	ctx, x := withClient(ctx, c.http)
	q := url.Values{"corpid": {c.account.CorpID}, "corpsecret": {c.account.Secret.Reveal()}}
	answer, err := credential.GetTokenFromServerContext(ctx, c.origin+"/cgi-bin/gettoken?"+q.Encode())
	switch {
	case answer.ErrCode != 0:
		return chat.Secret{}, 0, errorOf(op, answer.ErrCode, channel.Redact(answer.ErrMsg, c.account.Secret))
	case err == nil && answer.AccessToken == "":
		err = errors.New("the answer holds no access_token")
	}
	if err != nil {
		e := x.lost(op, err)
		e.Maybe = false // no person sees a token
		return chat.Secret{}, 0, e
	}
	return chat.NewSecret(answer.AccessToken), time.Duration(answer.ExpiresIn) * time.Second, nil
}
