package chatglm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

// A token lives a little longer than it is used, so that none ends on its way.
const (
	tokenUse  = 3 * time.Minute
	tokenLife = tokenUse + 30*time.Second
)

// header is the same in all tokens. sign_type is Zhipu's own, and needed.
const header = `{"alg":"HS256","sign_type":"SIGN"}`

// tokens makes the JWTs with which a key of the form id.secret can be shown without its secret: RFC 7519, HS256, but Zhipu counts in
// milliseconds. A token serves all calls with its key for three minutes.
type tokens struct {
	mu   sync.Mutex
	kept map[[sha256.Size]byte]token // by a digest of the key
}

type token struct {
	value string
	until time.Time // used until; it lives longer
}

func newTokens() *tokens { return &tokens{kept: map[[sha256.Size]byte]token{}} }

// of is [llm.Dialect]'s Token.
func (t *tokens) of(key chat.Secret, now time.Time) (string, error) {
	digest := sha256.Sum256([]byte(key.Reveal()))
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.kept[digest]; ok && now.Before(k.until) {
		return k.value, nil
	}
	value, err := sign(key, now)
	if err != nil {
		return "", err
	}
	for d, k := range t.kept { // tenants' keys come and go
		if !now.Before(k.until) {
			delete(t.kept, d)
		}
	}
	t.kept[digest] = token{value, now.Add(tokenUse)}
	return value, nil
}

func sign(key chat.Secret, now time.Time) (string, error) {
	id, secret, ok := strings.Cut(key.Reveal(), ".")
	if !ok || id == "" || secret == "" {
		return "", errors.New("the key has not the form id.secret, which auth: jwt signs with; leave auth out to send it as it is")
	}
	payload, err := json.Marshal(struct {
		Key  string `json:"api_key"`
		Ends int64  `json:"exp"`
		Made int64  `json:"timestamp"`
	}{id, now.Add(tokenLife).UnixMilli(), now.UnixMilli()})
	if err != nil {
		return "", err
	}
	coding := base64.RawURLEncoding
	signed := coding.EncodeToString([]byte(header)) + "." + coding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + coding.EncodeToString(mac.Sum(nil)), nil
}
