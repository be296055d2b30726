package bot

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

const (
	testToken  = "QDG6eK"
	testAESKey = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	testBot    = "aib-test"
	testSecret = "s3cr3t-of-the-bot"
)

// settings are those of a bot in callback mode, with changes; nil removes a field.
func settings(changes map[string]any) *channeltest.Settings {
	fields := map[string]any{"token": testToken, "aes_key": testAESKey}
	if changes["mode"] == "stream" {
		fields = map[string]any{"bot_id": testBot, "secret": testSecret}
	}
	for field, value := range changes {
		if fields[field] = value; value == nil {
			delete(fields, field)
		}
	}
	return &channeltest.Settings{TenantName: "acme", Entry: "bot", Fields: fields}
}

func newBot(t *testing.T, d channel.Deps, changes map[string]any) channel.Channel {
	t.Helper()
	s := settings(changes)
	c, err := New(s, d)
	if err != nil || len(s.Faults)+len(s.Unread()) > 0 {
		t.Fatalf("%v, faults %v, unread %v", err, s.Faults, s.Unread())
	}
	switch c := c.(type) {
	case *Callback:
		c.fetch = 2 * decideEvery
	case *Stream:
		c.within = quick()
	}
	return c
}

// quick are stream mode's figures for tests.
func quick() times {
	return times{
		dial: 5 * time.Second, backoff: 10 * time.Millisecond, maxBackoff: 50 * time.Millisecond, steady: time.Minute, ping: time.Second, ack: time.Second,
		evicted: []time.Duration{200 * time.Millisecond}, store: time.Second, again: 10 * time.Millisecond, drain: time.Second,
	}
}

// textOf reads a part as a person does.
func textOf(t *testing.T, p chat.Part) string {
	t.Helper()
	got, err := decodePart(p)
	if err != nil {
		t.Fatal(err)
	}
	return got.Text
}

// late sends every answer by the response_url of a message whose stream nobody polls.
type late struct {
	*Callback
	origin string
}

func (l late) Send(ctx context.Context, _ chat.Message, p chat.Part) error {
	raw, _ := json.Marshal(address{Stream: "s", Chat: "zhang", URL: l.origin + "/cgi-bin/aibot/response?response_code=the-code", At: time.Now().UnixMilli()})
	l.fetch = time.Millisecond
	return l.Callback.Send(ctx, chat.Message{ID: "m", User: "zhang", Address: raw}, p)
}

func callbackSuite() channeltest.Suite {
	return channeltest.Suite{
		New: func(t *testing.T, d channel.Deps) channel.Channel {
			return late{newBot(t, d, nil).(*Callback), d.Origins.WeCom}
		},
		Origin:  func(d *channel.Deps, address string) { d.Origins.WeCom = address },
		Secrets: []string{testToken, testAESKey, "the-code"}, To: chat.Message{ID: "m", User: "zhang"}, Text: textOf, Limit: 2 * maxText, MaxParts: 1,
	}
}

func TestConformance(t *testing.T) {
	t.Run("callback", func(t *testing.T) { channeltest.Run(t, callbackSuite()) })
	t.Run("stream", func(t *testing.T) {
		raw, _ := json.Marshal(address{Stream: "s", Chat: "zhang", Req: "r", At: time.Now().UnixMilli()})
		channeltest.Run(t, channeltest.Suite{
			New: func(t *testing.T, d channel.Deps) channel.Channel {
				d.Relay = d.Memo.(channel.Relay)
				return connecting{newBot(t, d, map[string]any{"mode": "stream"}).(*Stream)}
			},
			Origin:  func(d *channel.Deps, address string) { d.Origins.WeComBot = address },
			Secrets: []string{testSecret}, To: chat.Message{ID: "m", User: "zhang", Address: raw}, Text: textOf, Limit: maxText,
		})
	})
}

// connecting tries to hold its connection while it sends.
type connecting struct{ *Stream }

func (c connecting) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); c.Run(running) }()
	defer func() { stop(); <-done }()
	return c.Stream.Send(ctx, m, p)
}

// deliver seals a message as the platform does.
func deliver(t *testing.T, receiver string, at time.Time, message map[string]any) channel.Delivery {
	t.Helper()
	sealer, err := sim.NewSealer(receiver, testToken, testAESKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := json.Marshal(message)
	encrypt, query := sealer.Seal(string(plain), at)
	body, _ := json.Marshal(map[string]string{"encrypt": encrypt})
	return channel.Delivery{Query: query, Body: body, Now: time.Now()}
}

func said(id, user, words string) map[string]any {
	return map[string]any{
		"msgid": id, "aibotid": testBot, "chattype": "single", "from": map[string]any{"userid": user}, "msgtype": "text",
		"text": map[string]any{"content": words},
	}
}

func TestCallbackConformance(t *testing.T) {
	channeltest.RunCallback(t, channeltest.Callbacks{
		Suite: callbackSuite(), Tenant: "acme", Name: "bot", Proof: []string{"msg_signature", "timestamp", "nonce"}, MaxAge: 25 * time.Hour,
		Deliver: func(t *testing.T, id, user, text string, at time.Time) channel.Delivery {
			return deliver(t, "", at, said(id, user, text))
		},
		Misdirected: func(t *testing.T, at time.Time) channel.Delivery {
			return deliver(t, "wx5823bf96d3bd56c7", at, said("1", "zhang", "你好"))
		},
	})
}
