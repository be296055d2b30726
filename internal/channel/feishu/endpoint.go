package feishu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Codes of the question for a connection's address, and of its handshake.
const (
	codeBusy      = 1
	codeForbidden = 403
	codeAuth      = 514
	codeConnFault = 1000040343
	codeConnLimit = 1000040350 // the application has as many connections as it may: 50
)

// endpoint is where a connection is opened, and how it is kept.
type endpoint struct {
	address string
	service int32
	ping    time.Duration
}

// clientConfig is how the platform wants to be asked whether it is there. Its other figures are about connecting again: Parley does so sooner, and
// never gives up.
type clientConfig struct {
	Ping int `json:"PingInterval"` // s
}

func (c clientConfig) interval(def time.Duration) time.Duration {
	if c.Ping < 1 || c.Ping > 3600 {
		return def
	}
	return time.Duration(c.Ping) * time.Second
}

// endpoint asks for the address of a connection; it holds the ticket that opens it once.
func (c *client) endpoint(ctx context.Context, ping time.Duration) (e endpoint, err error) {
	const op = "feishu.endpoint"
	var got struct {
		URL    string       `json:"URL"`
		Config clientConfig `json:"ClientConfig"`
	}
	r := request{
		api: "endpoint", method: http.MethodPost, path: pathEndpoint, out: &got,
		in: map[string]string{"AppID": c.app, "AppSecret": c.secret.Reveal()},
	}
	if err := c.send(ctx, r, chat.Secret{}); err != nil {
		return e, connError(err)
	}
	u, err := url.Parse(got.URL)
	if err != nil || !near(u, c.origin) {
		return e, chat.E(chat.Forbidden, op, fmt.Errorf("the connection's address %q does not belong to platforms.feishu in client.yaml", hostOf(got.URL)))
	}
	service, err := strconv.ParseInt(u.Query().Get("service_id"), 10, 32)
	if err != nil {
		return e, chat.E(chat.Unavailable, op, errors.New("the connection's address holds no service_id"))
	}
	return endpoint{u.String(), int32(service), got.Config.interval(ping)}, nil
}

// connError gives the codes of connections their kinds; they are none of the API's.
func connError(err error) error {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok {
		return err
	}
	e.Maybe = false
	switch {
	case is(err, codeBusy, codeConnFault):
		e.Kind = chat.Unavailable
	case is(err, codeForbidden):
		e.Kind = chat.Forbidden
	case is(err, codeAuth):
		e.Kind = chat.Unauthenticated
	case is(err, codeConnLimit):
		e.Kind, e.RetryAfter = chat.RateLimited, 2*time.Minute
	}
	return e
}

// handshakeError is why a connection was refused, as its headers tell; nil: they do not.
func handshakeError(op string, header http.Header) error {
	code, err := strconv.ParseInt(header.Get("Handshake-Status"), 10, 64)
	if err != nil {
		return nil
	}
	if inner, err := strconv.ParseInt(header.Get("Handshake-Autherrcode"), 10, 64); err == nil && inner == codeConnLimit {
		code = inner
	}
	return connError(errorOf(op, http.StatusBadRequest, header, code, header.Get("Handshake-Msg")))
}

// near reports whether an address belongs to the platform: it is on its host or beside it in one domain, and as safe.
func near(u *url.URL, origin string) bool {
	o, err := url.Parse(origin)
	if err != nil || u.User != nil || u.Scheme != "wss" && (u.Scheme != "ws" || o.Scheme != "http") {
		return false
	}
	own, want := strings.ToLower(u.Hostname()), strings.ToLower(o.Hostname())
	if own == want {
		return own != ""
	}
	_, domain, _ := strings.Cut(want, ".")
	return net.ParseIP(want) == nil && strings.Contains(domain, ".") && strings.HasSuffix(own, "."+domain)
}

// hostOf is what of an address may be logged.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return channel.Printable(u.Scheme + "://" + u.Host)
}
