package wecom

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel"
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

// Challenge answers the platform's verification of a callback address (document 90968): the opened echostr. The platform's plaintexts are short
// numbers. Whatever else opens is a message that somebody captured and asks to have decrypted.
func (e *Envelope) Challenge(d channel.Delivery) ([]byte, error) {
	const op = "wecom.challenge"
	s := sealed(d.Query, d.Query.Get("echostr"))
	plain, err := e.Open(s)
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

// OpenCallback opens the ciphertext of a delivery whose query holds the signature, and checks that it is fresh. Errors are as Open's; Invalid
// also for a stale one.
func (e *Envelope) OpenCallback(d channel.Delivery, encrypt string) ([]byte, error) {
	s := sealed(d.Query, strings.TrimSpace(encrypt))
	plain, err := e.Open(s)
	if err != nil {
		return nil, err
	}
	if err := fresh("wecom.open", s.Timestamp, d.Now, maxAge, maxAhead); err != nil {
		return nil, err
	}
	return plain, nil
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func sealed(q url.Values, encrypt string) Sealed {
	return Sealed{Encrypt: encrypt, Signature: q.Get("msg_signature"), Timestamp: q.Get("timestamp"), Nonce: q.Get("nonce")}
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
