package dingtalk

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

const (
	testKey    = "dingtestkey"
	testSecret = "a-secret-of-the-robot"
)

// settings are those of a robot, with changes.
func settings(changes map[string]any) *channeltest.Settings {
	fields := map[string]any{"app_key": testKey, "app_secret": testSecret}
	for field, value := range changes {
		fields[field] = value
	}
	return &channeltest.Settings{TenantName: "acme", Entry: "ding", Fields: fields}
}

func newRobot(t *testing.T, d channel.Deps, changes map[string]any) channel.Channel {
	t.Helper()
	s := settings(changes)
	c, err := New(s, d)
	if err != nil || len(s.Faults)+len(s.Unread()) > 0 {
		t.Fatalf("%v, faults %v, unread %v", err, s.Faults, s.Unread())
	}
	return c
}

// to is a message of a single chat whose webhook lies at the origin.
func to(origin string) chat.Message {
	raw, _ := json.Marshal(address{
		Webhook: origin + "/robot/sendBySession?session=the-session", Until: time.Now().Add(time.Hour).UnixMilli(), Staff: "zhang", Sender: "$:zhang",
	})
	return chat.Message{ID: "m1", User: "zhang", Kind: chat.KindText, Address: raw}
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

// answering sends every reply by a webhook at the platform's address, or, without one, by its API.
type answering struct {
	channel.Channel
	origin string
	hook   bool
}

func (a answering) Send(ctx context.Context, m chat.Message, p chat.Part) error {
	m = to(a.origin)
	if !a.hook {
		m.Address = json.RawMessage(`{"staff":"zhang"}`)
	}
	return a.Channel.Send(ctx, m, p)
}

func suite(changes map[string]any, hook bool) channeltest.Suite {
	return channeltest.Suite{
		New: func(t *testing.T, d channel.Deps) channel.Channel {
			return answering{newRobot(t, d, changes), d.Origins.DingTalk, hook}
		},
		Origin: func(d *channel.Deps, address string) {
			d.Origins.DingTalk, d.Origins.DingTalkWebhooks = address, []string{address}
		},
		Secrets: []string{testSecret, "the-session", "the-access-token"}, To: to(""), Text: textOf, Limit: maxText,
	}
}

// always has a token at hand, so that the suite's platforms meet the sending itself.
type always struct{ channel.TokenCache }

func (always) Token(context.Context, string) (chat.Secret, error) {
	return chat.NewSecret("the-access-token"), nil
}

func TestConformance(t *testing.T) {
	for name, tc := range map[string]struct {
		changes map[string]any
		hook    bool
	}{
		"webhook":   {nil, true},
		"proactive": {nil, false},
		"card":      {map[string]any{"card_template": "tpl"}, true},
		"stream":    {map[string]any{"mode": "stream"}, true},
	} {
		t.Run(name+" cold", func(t *testing.T) { channeltest.Run(t, suite(tc.changes, tc.hook)) })
		t.Run(name, func(t *testing.T) {
			s := suite(tc.changes, tc.hook)
			cold := s.New
			s.New = func(t *testing.T, d channel.Deps) channel.Channel {
				d.Tokens = always{d.Tokens}
				return cold(t, d)
			}
			channeltest.Run(t, s)
		})
	}
}

func TestCallbackConformance(t *testing.T) {
	platform := sim.New(sim.Options{})
	platform.SetOrigin("https://oapi.dingtalk.com")
	if err := platform.AddApp(sim.App{Key: testKey, Secret: testSecret}); err != nil {
		t.Fatal(err)
	}
	s := suite(nil, false)
	s.New = func(t *testing.T, d channel.Deps) channel.Channel { return newRobot(t, d, nil) }
	s.Origin = func(d *channel.Deps, address string) {
		d.Origins.DingTalk, d.Origins.DingTalkWebhooks = address, []string{"https://oapi.dingtalk.com"}
	}
	deliver := func(t *testing.T, m sim.Message, at time.Time) channel.Delivery {
		header, body, err := platform.Document(testKey, m, at)
		if err != nil {
			t.Fatal(err)
		}
		return channel.Delivery{Header: header, Body: body}
	}
	channeltest.RunCallback(t, channeltest.Callbacks{
		Suite: s, Tenant: "acme", Name: "ding", Proof: []string{"timestamp", "sign"}, MaxAge: defaultWindow + time.Minute, BodyUnproved: true,
		Deliver: func(t *testing.T, id, user, text string, at time.Time) channel.Delivery {
			return deliver(t, sim.Message{ID: id, User: user, Text: text}, at)
		},
		Misdirected: func(t *testing.T, at time.Time) channel.Delivery {
			d := deliver(t, sim.Message{User: "zhang", Text: "x", Webhook: "https://oapi.dingtalk.com.evil.example/robot/sendBySession?session=1"}, at)
			return d
		},
	})
}
