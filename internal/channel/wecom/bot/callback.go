package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

const (
	// showEvery is how often partial text is worth being written: the platform asks about once a second.
	showEvery = 500 * time.Millisecond
	// fetchWithin is how long an answer waits to be fetched by the platform, which asks about once a second, before it is sent.
	fetchWithin = 12 * time.Second
	// respondFor is how long a response_url may be used, with room for clocks (document 101138: one hour).
	respondFor = 55 * time.Minute
)

// Callback is a bot whose messages come by sealed callbacks.
type Callback struct {
	*aiBot
	singles   []*wecom.Envelope // one for each token with each key
	responder *wecom.Responder
	live      channel.LiveReader
	fetch     time.Duration
}

var (
	_ channel.Channel  = (*Callback)(nil)
	_ channel.Callback = (*Callback)(nil)
	_ channel.Fetcher  = (*Callback)(nil)
)

func newCallback(b *aiBot, s channel.Settings, d channel.Deps) (*Callback, error) {
	tokens, keys := s.Secrets("token"), s.Secrets("aes_key")
	envelope, err := wecom.NewEnvelope("", tokens, keys) // a bot's messages are sealed for nobody
	if err != nil {
		return nil, err
	}
	b.envelope = envelope
	c := &Callback{aiBot: b, responder: wecom.NewResponder(d.Origins.WeCom, d.HTTP), live: d.Live, fetch: fetchWithin}
	for _, token := range tokens {
		for _, key := range keys {
			one, err := wecom.NewEnvelope("", []chat.Secret{token}, []chat.Secret{key})
			if err != nil {
				return nil, err
			}
			c.singles = append(c.singles, one)
		}
	}
	return c, nil
}

// Live implements channel.Channel: who polls reads the live text.
func (c *Callback) Live() time.Duration { return showEvery }

// Pace implements channel.Channel: the platform fetches answers as fast as it likes.
func (c *Callback) Pace() chat.Pace { return chat.Pace{} }

// Challenge implements channel.Callback.
func (c *Callback) Challenge(_ context.Context, d channel.Delivery) ([]byte, error) {
	plain, err := c.envelope.Challenge(d)
	return plain, mend(err)
}

// Open implements channel.Callback. A message is answered with the beginning of its stream, which shows nothing yet; a question about a stream with what
// there is of it.
func (c *Callback) Open(ctx context.Context, d channel.Delivery) (channel.Opened, error) {
	const op = "wecombot.open"
	var outer struct {
		Encrypt string `json:"encrypt"`
	}
	if err := json.Unmarshal(d.Body, &outer); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, errors.New("body: is not the JSON of an AI bot's callback"))
	}
	plain, err := c.envelope.OpenCallback(d, outer.Encrypt)
	if err != nil {
		return channel.Opened{}, mend(err)
	}
	var in incoming
	if err := json.Unmarshal(plain, &in); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, errors.New("message: is not the JSON of an AI bot's message"))
	}
	if err := in.check(); err != nil {
		return channel.Opened{}, chat.E(chat.Invalid, op, fmt.Errorf("message: %w", err))
	}
	opened := channel.Opened{}
	var answer any
	switch in.Type {
	case typeStream:
		answer = c.poll(ctx, &in)
	case typeEvent:
		if in.Event.Type == eventEnter {
			answer = welcome{"text", text{c.welcome}}
		}
	default:
		m, err := c.message(&in, address{URL: c.allowed(in.ResponseURL)})
		if err != nil {
			return channel.Opened{}, err
		}
		opened.Messages = []chat.Message{m}
		answer = streamOf(c.streamID(in.ID), c.words.thinking, false)
	}
	if answer == nil {
		return opened, nil
	}
	opened.Ack, err = c.seal(d, outer.Encrypt, answer)
	return opened, err
}

// welcome is what the platform shows of a passive answer to who enters.
type welcome struct {
	Type string `json:"msgtype"`
	Text text   `json:"text"`
}

// allowed keeps a response_url that may be called.
func (c *Callback) allowed(address string) string {
	if address == "" || c.responder.Allows(address) {
		return address
	}
	c.log.Warn("wecombot: a response_url does not lead to platforms.wecom of client.yaml; an answer that comes late cannot be sent")
	return ""
}

// sealed is a passive answer (document 101033).
type sealed struct {
	Encrypt   string `json:"encrypt"`
	Signature string `json:"msgsignature"`
	Timestamp int64  `json:"timestamp"`
	Nonce     string `json:"nonce"`
}

// seal closes an answer with the token and the key that opened its question: while they are exchanged the platform may still have the old ones.
func (c *Callback) seal(d channel.Delivery, encrypt string, answer any) (channel.Ack, error) {
	const op = "wecombot.seal"
	plain, err := encode(answer)
	if err != nil {
		return channel.Ack{}, chat.E(chat.Internal, op, err)
	}
	by := c.singles[0]
	for _, one := range c.singles[1:] {
		if _, err := one.OpenCallback(d, encrypt); err == nil {
			by = one
		}
	}
	at := c.now().Unix()
	s := by.Seal(plain, strconv.FormatInt(at, 10), d.Query.Get("nonce"))
	body, err := encode(sealed{s.Encrypt, s.Signature, at, s.Nonce})
	if err != nil {
		return channel.Ack{}, chat.E(chat.Internal, op, err)
	}
	return channel.Ack{ContentType: "application/json; charset=utf-8", Body: body}, nil
}

// mend says of the envelope's errors what they mean for a bot.
func mend(err error) error {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case chat.Unauthenticated:
		e.Err = errors.New("msg_signature does not fit: is the channel's token the one of the bot's API page?")
	case chat.Forbidden:
		e.Err = errors.New("sealed for a company, not for an AI bot: is this address entered at an application, whose kind is wecom?")
	}
	return e
}
