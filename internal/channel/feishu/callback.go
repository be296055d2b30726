package feishu

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	headerTimestamp = "X-Lark-Request-Timestamp"
	headerNonce     = "X-Lark-Request-Nonce"
	headerSignature = "X-Lark-Signature"
)

const (
	// remembered is how long Parley certainly recognises a message that comes again. The platform's clock may run ahead by maxAhead, so a callback
	// is refused a little earlier: no capture of one can be replayed into a second answer. The platform itself repeats one for 7.1 h.
	remembered = 24 * time.Hour
	maxAhead   = 10 * time.Minute
	maxAge     = remembered - maxAhead
	// maxChallenge is more than the platform's challenges have.
	maxChallenge = 128
	// askWithin is what a callback may spend on questions to the platform (a quoted message, the bot's own id): it wants its 200 within 3 s.
	askWithin = 400 * time.Millisecond
)

// Callback is a bot whose events Feishu posts.
type Callback struct {
	*bot
	keys   []envelope
	tokens []chat.Secret
}

var _ channel.Callback = (*Callback)(nil)

// Challenge implements channel.Callback. Feishu verifies an address by a POST, which Open answers; a GET proves nothing.
func (c *Callback) Challenge(context.Context, channel.Delivery) ([]byte, error) {
	return nil, chat.E(chat.Invalid, "feishu.challenge", errors.New("Feishu verifies an address by POST"))
}

// Open implements channel.Callback. It may ask the platform what a message quotes, for a short while.
func (c *Callback) Open(ctx context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "feishu.open"
	var sealed struct {
		Encrypt string `json:"encrypt"`
	}
	malformed := decode(d.Body, &sealed)
	timestamp := d.Header.Get(headerTimestamp)
	key, ok := c.signer(timestamp, d)
	if !ok {
		return c.verify(sealed.Encrypt)
	}
	if malformed != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, malformed)
	}
	plain, err := key.open(sealed.Encrypt)
	if err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, err)
	}
	var e event
	if err := decode(plain, &e); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, err)
	}
	if e.Type == typeVerification {
		return c.challenge(e)
	}
	if !c.known(e.token()) {
		return channel.Opened{}, chat.E(chat.Unauthenticated, op,
			errors.New("the event's token is not the channel's verification_token: copy it from the application's 事件与回调 › 加密策略 page"))
	}
	if err := fresh(timestamp, d.Now); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, err)
	}
	opened := channel.Opened{Ack: acknowledged()}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	m, ok, err := c.message(ctx, e)
	if err != nil {
		return channel.Opened{}, err
	}
	if ok {
		opened.Messages = []chat.Message{m}
	}
	return opened, nil
}

func acknowledged() channel.Ack {
	return channel.Ack{ContentType: "application/json", Body: []byte("{}")}
}

// signer is the key that the delivery was signed with. All are tried, in constant time each.
func (c *Callback) signer(timestamp string, d channel.Delivery) (key envelope, ok bool) {
	nonce, signature := d.Header.Get(headerNonce), d.Header.Get(headerSignature)
	for _, k := range c.keys {
		if k.signed(timestamp, nonce, signature, d.Body) {
			key, ok = k, true
		}
	}
	return key, ok
}

// verify answers what is not signed: the verification of an address alone. Whatever else comes is refused in one way, so that nobody can learn what a
// changed ciphertext opens to.
func (c *Callback) verify(encrypt string) (channel.Opened, error) {
	for _, k := range c.keys {
		plain, err := k.open(encrypt)
		var e event
		if err == nil && decode(plain, &e) == nil && e.Type == typeVerification {
			return c.challenge(e)
		}
	}
	return channel.Opened{}, chat.E(chat.Unauthenticated, "feishu.open", errors.New("the header X-Lark-Signature does not fit: "+
		"is the channel's encrypt_key the Encrypt Key of the application's 事件与回调 › 加密策略 page, and is one set there?"))
}

func (c *Callback) challenge(e event) (channel.Opened, error) {
	const op = "feishu.challenge"
	if !c.known(e.Token) {
		return channel.Opened{}, chat.E(chat.Unauthenticated, op,
			errors.New("the token is not the channel's verification_token: copy it from the application's 事件与回调 › 加密策略 page"))
	}
	if e.Challenge == "" || len(e.Challenge) > maxChallenge || strings.ContainsFunc(e.Challenge, notPlain) {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("the challenge is something else than 1 to %d letters, digits and hyphens", maxChallenge))
	}
	body, err := encode(map[string]string{"challenge": e.Challenge})
	if err != nil {
		return channel.Opened{}, chat.E(chat.Internal, op, err)
	}
	return channel.Opened{Ack: channel.Ack{ContentType: "application/json", Body: body}}, nil
}

func notPlain(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

// known compares with every token in constant time.
func (c *Callback) known(token string) bool {
	fits, got := false, chat.NewSecret(token)
	for _, want := range c.tokens {
		fits = want.Equal(got) || fits
	}
	return fits
}

// fresh checks the signed timestamp, in seconds, against the clock. Every repetition of an event has its own.
func fresh(timestamp string, now time.Time) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the header X-Lark-Request-Timestamp is not a number")
	}
	switch age := now.Sub(time.Unix(seconds, 0)); {
	case age > maxAge:
		return fmt.Errorf("the header X-Lark-Request-Timestamp is %s old; at most %s", age.Round(time.Second), maxAge)
	case age < -maxAhead:
		return fmt.Errorf("the header X-Lark-Request-Timestamp is %s ahead; at most %s: is this machine's clock right?", -age.Round(time.Second), maxAhead)
	}
	return nil
}
