package app_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

func theApp() sim.App {
	return sim.App{Ref: ref, Secret: testSecret, Token: testToken, AESKey: testAESKey}
}

func delivery(t *testing.T, a sim.App, m sim.Message, at time.Time) channel.Delivery {
	t.Helper()
	query, body, err := sim.Seal(a, m, at)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Delivery{Query: query, Header: http.Header{}, Body: body, Now: at}
}

func suite() channeltest.Suite {
	return channeltest.Suite{
		New: func(t *testing.T, d channel.Deps) channel.Channel {
			// A token is at hand, so that the suite's platforms meet the sending itself.
			a, err := app.New(settings(), d)
			if err != nil {
				t.Fatal(err)
			}
			return a
		},
		Origin:  func(d *channel.Deps, address string) { d.Origins.WeCom = address },
		Secrets: []string{testSecret, testToken, testAESKey, "the-access-token"},
		To:      chat.Message{User: "zhang"},
		Text: func(t *testing.T, p chat.Part) string {
			var body struct{ Text struct{ Content string } }
			if err := json.Unmarshal(p, &body); err != nil {
				t.Fatal(err)
			}
			return body.Text.Content
		},
		Limit: 2048, Swallows: true,
	}
}

// TestConformanceCold meets the bad platforms with the call that gets the token, TestConformance with the sending itself.
func TestConformanceCold(t *testing.T) { channeltest.Run(t, suite()) }

func TestConformance(t *testing.T) {
	s := suite()
	cold := s.New
	s.New = func(t *testing.T, d channel.Deps) channel.Channel {
		d.Tokens = always{}
		return cold(t, d)
	}
	channeltest.Run(t, s)
	channeltest.RunCallback(t, channeltest.Callbacks{
		Suite: s, Tenant: "acme", Name: "app",
		Proof:  []string{"msg_signature", "timestamp", "nonce"},
		MaxAge: 25 * time.Hour,
		Deliver: func(t *testing.T, id, user, text string, at time.Time) channel.Delivery {
			return delivery(t, theApp(), sim.Message{ID: id, User: user, Type: "text", Text: text, CreatedAt: time.Unix(1700000000, 0)}, at)
		},
		Misdirected: func(t *testing.T, at time.Time) channel.Delivery {
			other := theApp()
			other.CorpID = "wwother"
			return delivery(t, other, sim.Message{ID: "1", User: "zhang", Type: "text", Text: "好"}, at)
		},
	})
}
