package wecom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/channel"
	"parley/internal/chat"
)

// maxAnswer bounds what is read of an API's answer; true ones have a few hundred bytes, a page of customers' messages a few hundred KiB.
const maxAnswer = 4 << 20

// exchange is one HTTP call: the client it goes through, the most bytes that are read of its answer, and whether it left.
type exchange struct {
	client *http.Client
	most   int64
	sent   atomic.Bool
}

type exchangeKey struct{}

// installTransport is the one place that touches the library's process-wide state: silenceper/wechat sends everything through one global
// HTTP client, which has no timeout and follows redirects. It gets a transport that sends each request through the client that the
// request's own context names, so that channels, tenants and tests in one process stay apart. util.SetURIModifier is not needed: callers
// pass whole addresses.
var installTransport = sync.OnceFunc(func() { util.DefaultHTTPClient = &http.Client{Transport: perCall{}} })

type perCall struct{}

// RoundTrip implements http.RoundTripper. An answer that is not 200 becomes an error, for the library's own would quote the address and
// with it the token; this also ends redirects.
func (perCall) RoundTrip(r *http.Request) (*http.Response, error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("a call to WeCom outside of parley/internal/channel/wecom")
	}
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { x.sent.Store(true) }})
	resp, err := x.client.Do(r.Clone(ctx))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, statusError(resp.StatusCode)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, x.most), resp.Body}
	return resp, nil
}

type statusError int

// Error implements error.
func (s statusError) Error() string { return fmt.Sprintf("HTTP status %d", int(s)) }

// withClient gives the library's calls under ctx their client.
func withClient(ctx context.Context, c *http.Client) (context.Context, *exchange) {
	x := &exchange{client: c, most: maxAnswer}
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// lost makes the error of a call without a usable answer. err may be the library's or net/http's: whatever quotes the address is peeled
// off, because the address holds the token or the secret.
func (x *exchange) lost(op string, err error) *chat.Error {
	e := channel.Lost(op, err, x.sent.Load())
	if s, ok := errors.AsType[statusError](err); ok {
		e.Code = fmt.Sprintf("http_%d", int(s))
		if s < http.StatusInternalServerError {
			e.Maybe = false
		}
		if s == http.StatusTooManyRequests {
			e.Kind = chat.RateLimited
		}
		return e
	}
	return e
}
