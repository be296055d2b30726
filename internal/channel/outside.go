package channel

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

// NoRedirects is c, which may be nil, without following redirects: a platform cannot send a credential elsewhere.
func NoRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Lost makes the error of a call to a platform without a usable answer: of kind Unavailable, Timeout or Canceled. sent: it had left, so that it may
// have been done. What quotes the address is peeled off err, for an address may hold a credential.
func Lost(op string, err error, sent bool) *chat.Error {
	for u, ok := errors.AsType[*url.Error](err); ok; u, ok = errors.AsType[*url.Error](err) {
		err = u.Err
	}
	e := chat.E(chat.Unavailable, op, err)
	e.Maybe = sent
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		e.Kind = chat.Timeout
	} else if errors.Is(err, context.Canceled) {
		e.Kind = chat.Canceled
	}
	return e
}

// Redact keeps a platform that echoes credentials from putting them into logs.
func Redact(s string, secrets ...chat.Secret) string {
	for _, secret := range secrets {
		if !secret.IsZero() {
			s = strings.ReplaceAll(s, secret.Reveal(), secret.String())
		}
	}
	return s
}

// SharedCollector registers c, or gives the one that a channel before this one registered. reg may be nil.
func SharedCollector[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	if have, ok := errors.AsType[prometheus.AlreadyRegisteredError](reg.Register(c)); ok {
		if first, ok := have.ExistingCollector.(C); ok {
			return first
		}
	}
	return c
}
