package dingtalk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Callback is a robot whose messages DingTalk posts (HTTP mode).
type Callback struct {
	*robot
	counting chan struct{} // holds one for each that runs
}

var _ channel.Callback = (*Callback)(nil)

// Challenge implements channel.Callback. DingTalk verifies no robot's address; a GET proves nothing.
func (c *Callback) Challenge(context.Context, channel.Delivery) ([]byte, error) {
	return nil, chat.E(chat.Invalid, "dingtalk.challenge", errors.New("DingTalk asks no address to prove itself"))
}

// Open implements channel.Callback. The headers' signature covers a timestamp and not the body: whoever captures one may post other bodies for as
// long as the window is open. Two true messages of one millisecond share a signature, too, so that is counted and not refused.
func (c *Callback) Open(_ context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "dingtalk.open"
	timestamp, sign := d.Header.Get("timestamp"), d.Header.Get("sign")
	if !c.signed(timestamp, sign) {
		return channel.Opened{}, chat.E(chat.Unauthenticated, op,
			errors.New("the header sign does not fit: is the channel's app_secret the one of the application's 凭证与基础信息 page?"))
	}
	if err := c.fresh(timestamp, d.Now); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, err)
	}
	m, ok, err := c.message(d.Body)
	if err != nil {
		return channel.Opened{}, err
	}
	c.countReuse(sign, d.Body)
	opened := channel.Opened{Ack: channel.Ack{ContentType: "application/json", Body: []byte("{}")}}
	if ok {
		opened.Messages = []chat.Message{m}
	}
	return opened, nil
}

// signed compares in constant time with the signature of each secret.
func (c *Callback) signed(timestamp, sign string) bool {
	got, err := base64.StdEncoding.DecodeString(sign)
	if err != nil {
		return false
	}
	fits := false
	for _, secret := range c.secrets {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write([]byte(timestamp + "\n" + secret.Reveal()))
		fits = hmac.Equal(mac.Sum(nil), got) || fits
	}
	return fits
}

// fresh checks the signed timestamp (Unix milliseconds) against the clock.
func (c *Callback) fresh(timestamp string, now time.Time) error {
	ms, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the header timestamp is not a number")
	}
	if age := now.Sub(time.UnixMilli(ms)); age > c.window || age < -c.window {
		return fmt.Errorf("the header timestamp is %s away from this machine's clock; at most %s: is the clock right?", age.Abs().Round(time.Second), c.window)
	}
	return nil
}

const (
	countAtOnce = 32
	countWithin = time.Second
)

// countReuse counts a signature that comes with another body, over all replicas. It is a measure and no gate: it holds nothing up, and what it
// cannot count, it leaves.
func (c *Callback) countReuse(sign string, body []byte) {
	select {
	case c.counting <- struct{}{}:
	default:
		return
	}
	sum := sha256.Sum256(body)
	go func() {
		defer func() { <-c.counting }()
		ctx, cancel := context.WithTimeout(context.Background(), countWithin)
		defer cancel()
		first, err := c.memo.RememberFirst(ctx, c.key("sign", sign), hex.EncodeToString(sum[:]), 2*c.window)
		if err == nil && first != hex.EncodeToString(sum[:]) {
			c.metrics.reused.Inc()
		}
	}()
}
