package openai

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

// Kind is the word under `kind:`.
const Kind = "openai"

// Channel is one tenant's way in for programs. It has no way out: replies go to whoever asked, and there are no conversations.
type Channel struct {
	tenant, name string
	keys         []*key
	perMinute    int // requests of each key; below 0: as the tenant allows each person
	made         time.Time
	direct       channel.Direct
	limits       channel.Limiter
}

// key is one of the secrets by which callers are known. Each has limits and a usage of its own.
type key struct {
	secret chat.Secret
	user   string // whose usage it is
	lease  lease
}

var _ channel.Channel = (*Channel)(nil)

// New makes a channel: keys (one or a list of secrets), per_minute (requests of each key; absent: the tenant's per_user_per_minute; 0: no limit).
func New(s channel.Settings, d channel.Deps) *Channel {
	c := &Channel{tenant: s.Tenant(), name: s.Name(), perMinute: -1, made: d.Now(), direct: d.Direct, limits: d.Limits}
	for _, secret := range s.Secrets("keys") {
		channel.JudgeKey(s, d, "keys", secret)
		switch {
		case strings.ContainsFunc(secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
			s.Faultf("keys", "a key holds spaces or characters that an HTTP header cannot carry; make one with openssl rand -hex 24")
		case c.has(secret):
			s.Faultf("keys", "two of the keys are the same; remove one")
		default:
			c.keys = append(c.keys, &key{secret: secret, user: "api/" + c.name + "/" + secret.Fingerprint()})
		}
	}
	if text := s.Optional("per_minute", ""); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxPerMinute {
			s.Faultf("per_minute", "%q is not a number of requests from 0 (no limit) to %d", text, maxPerMinute)
		}
		c.perMinute = n
	}
	return c
}

func (c *Channel) has(secret chat.Secret) bool {
	for _, k := range c.keys {
		if k.secret.Equal(secret) {
			return true
		}
	}
	return false
}

// Clash says which two of a tenant's channels have a key in common; nil: none have. Then nobody could tell whose a request is.
func Clash(channels map[string]channel.Channel) error {
	for name, one := range channels {
		for other, two := range channels {
			a, ok := one.(*Channel)
			b, both := two.(*Channel)
			if !ok || !both || name >= other {
				continue
			}
			for _, k := range b.keys {
				if a.has(k.secret) {
					return fmt.Errorf("channels %s and %s have a key in common: give each its own", name, other)
				}
			}
		}
	}
	return nil
}

// Kind implements channel.Channel.
func (c *Channel) Kind() string { return Kind }

var errNoWay = errors.New("programs get their answers where they ask; nothing can be sent to them")

// Parts implements channel.Channel; no message ever comes by this channel.
func (c *Channel) Parts(_ chat.Message, text string, _ int64) ([]chat.Part, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	return []chat.Part{chat.Part(strings.ToValidUTF8(text, "\uFFFD"))}, nil
}

// Send implements channel.Channel: it fails.
func (c *Channel) Send(context.Context, chat.Message, chat.Part) error {
	return chat.E(chat.Invalid, "openai.send", errNoWay)
}

// Resendable implements channel.Channel.
func (c *Channel) Resendable(time.Duration) bool { return false }

// Pace implements channel.Channel.
func (c *Channel) Pace() chat.Pace { return chat.Pace{} }

// Live implements channel.Channel.
func (c *Channel) Live() time.Duration { return 0 }
