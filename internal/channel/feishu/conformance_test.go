package feishu

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

// to is a message of a single chat.
func to() chat.Message {
	raw, _ := json.Marshal(address{Message: "om_1", Chat: "oc_p2p_zhang"})
	return chat.Message{ID: "om_1", User: "zhang", Kind: chat.KindText, Address: raw}
}

// textOf reads a part as a person does.
func textOf(t *testing.T, p chat.Part) string {
	t.Helper()
	content, err := decodePart(p)
	if err != nil {
		t.Fatal(err)
	}
	return content.Text
}

// always is a token cache that holds a token at any time.
type always struct{}

func (always) Token(context.Context, string) (chat.Secret, error) {
	return chat.NewSecret("the-access-token"), nil
}
func (always) SetToken(context.Context, string, chat.Secret, time.Duration) error { return nil }
func (always) DropToken(context.Context, string, chat.Secret) error               { return nil }

func suite(changes map[string]any) channeltest.Suite {
	return channeltest.Suite{
		New:     func(t *testing.T, d channel.Deps) channel.Channel { return newBot(t, d, changes) },
		Origin:  func(d *channel.Deps, address string) { d.Origins.Feishu = address },
		Secrets: []string{testSecret, testKey, testToken, "the-access-token"},
		To:      to(), Text: textOf, Limit: maxText,
		Swallows: true, // by uuid
	}
}

// warm has an access token, so that the suite's platforms meet the sending itself.
func warm(s channeltest.Suite) channeltest.Suite {
	cold := s.New
	s.New = func(t *testing.T, d channel.Deps) channel.Channel {
		d.Tokens = always{}
		return cold(t, d)
	}
	return s
}

func TestConformance(t *testing.T) {
	for name, s := range map[string]channeltest.Suite{
		"cold":    suite(nil),
		"cards":   warm(suite(nil)),
		"plain":   warm(suite(map[string]any{"card": "false"})),
		"stream":  warm(suite(map[string]any{"mode": "stream", "encrypt_key": nil, "verification_token": nil})),
		"threads": warm(suite(map[string]any{"reply_in_thread": "true"})),
	} {
		t.Run(name, func(t *testing.T) { channeltest.Run(t, s) })
	}
}

func TestCallbackConformance(t *testing.T) {
	channeltest.RunCallback(t, channeltest.Callbacks{
		Suite: warm(suite(nil)), Tenant: "acme", Name: "lark",
		Proof:  []string{headerTimestamp, headerNonce, headerSignature},
		MaxAge: 25 * time.Hour,
		Deliver: func(t *testing.T, id, user, text string, at time.Time) channel.Delivery {
			return delivery(theApp(), sim.Message{ID: "om_" + id, User: "ou_" + user, Text: text}, at)
		},
		Misdirected: func(t *testing.T, at time.Time) channel.Delivery {
			other := theApp()
			other.AppID = "cli_other"
			return delivery(other, sim.Message{ID: "om_1", User: "ou_zhang", Text: "好"}, at)
		},
	})
}

// delivery is one delivery of a message, as the platform posts it at that time.
func delivery(a sim.App, m sim.Message, at time.Time) channel.Delivery {
	return deliver(a, document(a, m), at)
}

func deliver(a sim.App, doc []byte, at time.Time) channel.Delivery {
	header, body := sim.SealDocument(a, doc, at)
	return channel.Delivery{Header: header, Body: body, Now: at}
}

// document is the event of a message that was not pushed.
func document(a sim.App, m sim.Message) []byte {
	if m.EventID == "" {
		m.EventID = "ev1"
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = time.UnixMilli(1795348800123)
	}
	if m.Type == "" && m.Event == "" {
		text, _ := json.Marshal(map[string]string{"text": m.Text})
		m.Type, m.Content = "text", string(text)
	}
	return sim.Document(a, m)
}
