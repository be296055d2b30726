package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

const (
	// remembered is how long Parley certainly recognises a message that comes again. Platforms' clocks may run ahead by maxAhead, so a
	// callback is refused a little earlier: no capture of one can be replayed into a second answer.
	remembered = 24 * time.Hour
	maxAhead   = 10 * time.Minute
	maxAge     = remembered - maxAhead
	// An address verification is a person pressing a button.
	challengeAge  = 5 * time.Minute
	challengeSize = 64
)

// Challenge implements channel.Callback. The platform's plaintexts are short numbers. Whatever else opens is a message that somebody
// captured and asks to have decrypted.
func (a *App) Challenge(_ context.Context, d channel.Delivery) ([]byte, error) {
	const op = "wecom.challenge"
	s := sealed(d.Query, d.Query.Get("echostr"))
	plain, err := a.envelope.Open(s)
	if err != nil {
		return nil, err
	}
	if err := fresh(op, s.Timestamp, d.Now, challengeAge, challengeAge); err != nil {
		return nil, err
	}
	if len(plain) == 0 || len(plain) > challengeSize || strings.ContainsFunc(string(plain), notAlphanumeric) {
		return nil, chat.E(chat.Invalid, op, fmt.Errorf("echostr holds something else than 1 to %d letters and digits", challengeSize))
	}
	return plain, nil
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Open implements channel.Callback.
func (a *App) Open(_ context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "wecom.open"
	var outer wecom.Callback
	if err := wecom.DecodeXML(d.Body, &outer); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("body: %w", err))
	}
	s := sealed(d.Query, strings.TrimSpace(outer.Encrypt))
	plain, err := a.envelope.Open(s)
	if err != nil {
		return channel.Opened{}, err
	}
	if err := fresh(op, s.Timestamp, d.Now, maxAge, maxAhead); err != nil {
		return channel.Opened{}, err
	}
	var in incoming
	if err := wecom.DecodeXML(plain, &in); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("message: %w", err))
	}
	m, ok, err := a.message(in)
	if err != nil || !ok {
		return channel.Opened{}, err
	}
	return channel.Opened{Messages: []chat.Message{m}}, nil
}

func sealed(q url.Values, encrypt string) wecom.Sealed {
	return wecom.Sealed{
		Encrypt: encrypt, Signature: q.Get("msg_signature"), Timestamp: q.Get("timestamp"), Nonce: q.Get("nonce"),
	}
}

// fresh checks the signed timestamp (Unix seconds) against the clock.
func fresh(op, timestamp string, now time.Time, past, ahead time.Duration) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return chat.E(chat.Invalid, op, errors.New("timestamp is not a number"))
	}
	age := now.Sub(time.Unix(seconds, 0))
	if age > past {
		return chat.E(chat.Invalid, op, fmt.Errorf("timestamp is %s old; at most %s", age.Round(time.Second), past))
	}
	if age < -ahead {
		return chat.E(chat.Invalid, op, fmt.Errorf("timestamp is %s ahead; at most %s: is this machine's clock right?", -age.Round(time.Second), ahead))
	}
	return nil
}
