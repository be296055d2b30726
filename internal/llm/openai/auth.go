package openai

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/route"
)

// shower puts a key into a request's headers; it never goes into an address.
type shower func(h http.Header, key chat.Secret) error

func showerOf(auth string, d *llm.Dialect) (shower, error) {
	switch auth {
	case "", route.AuthBearer:
		return bearer, nil
	case route.AuthAPIKey:
		return apiKey, nil
	case route.AuthJWT:
		if d.Token == nil {
			return nil, errors.New("auth: jwt does not fit this dialect")
		}
		return signed(d.Token), nil
	}
	return nil, errors.New("auth is none of bearer, api-key, jwt")
}

func bearer(h http.Header, key chat.Secret) error {
	h.Set("Authorization", "Bearer "+key.Reveal())
	return nil
}

func apiKey(h http.Header, key chat.Secret) error {
	h.Set("api-key", key.Reveal())
	return nil
}

func signed(token func(chat.Secret, time.Time) (string, error)) shower {
	return func(h http.Header, key chat.Secret) error {
		t, err := token(key, time.Now())
		if err != nil {
			return chat.E(chat.Unauthenticated, op, err)
		}
		h.Set("Authorization", "Bearer "+t)
		return nil
	}
}

// sign puts on a request who asks.
func (p *Provider) sign(req *http.Request, key chat.Secret) error {
	req.Header.Set("User-Agent", "parley")
	if p.appID != "" {
		req.Header.Set("appid", p.appID)
	}
	if key.IsZero() {
		return nil
	}
	if !showable(key.Reveal()) {
		return chat.E(chat.Unauthenticated, op, fmt.Errorf("the key is no key: want 1 to %d visible ASCII characters, without spaces or line ends", maxKey))
	}
	return p.show(req.Header, key)
}

// maxKey is the most bytes of a key; the longest seen are JWTs of one to two thousand.
const maxKey = 4 << 10

// showable: a header can carry the key. What the HTTP client or the provider's front refuses for its form would look like a provider that cannot
// be reached, and one tenant's key would count against it.
func showable(key string) bool {
	return len(key) <= maxKey && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// discreet replaces an error that repeats the key: a gateway may echo it where a code or a request's id belongs.
func discreet(err error, key chat.Secret) error {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || key.IsZero() || !strings.Contains(err.Error(), key.Reveal()) {
		return err
	}
	return &chat.Error{Kind: e.Kind, Op: e.Op, RetryAfter: e.RetryAfter, Err: errors.New("the provider's words quote the key and are not repeated")}
}
