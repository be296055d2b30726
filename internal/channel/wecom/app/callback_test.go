package app_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sampleBody and sampleQuery are a delivery of that sample.
const sampleBody = "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName><Encrypt><![CDATA[" +
	"RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXx" +
	"accAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqAT" +
	"P7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4X" +
	"XZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==" +
	"]]></Encrypt><AgentID><![CDATA[218]]></AgentID></xml>"

func sampleQuery() url.Values {
	return url.Values{"msg_signature": {"477715d11cdb4164915debcba66cb864d751f3e6"}, "timestamp": {"1409659813"}, "nonce": {"1372623149"}}
}

// The sample of the platform's own libraries (document 90968), received when it was made.
func TestOfficialSample(t *testing.T) {
	w := newWorld(t, sim.Options{})
	s := settings()
	s.Fields["agent_id"] = 218
	a, err := app.New(s, w.deps())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := a.Challenge(t.Context(), channel.Delivery{
		Now: time.Unix(1409659589, 0),
		Query: url.Values{
			"msg_signature": {"5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"}, "timestamp": {"1409659589"}, "nonce": {"263014780"},
			"echostr": {"P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="},
		},
	})
	if err != nil || string(plain) != "1616140317555161061" {
		t.Errorf("Challenge = %q, %v", plain, err)
	}
	opened, err := a.Open(t.Context(), channel.Delivery{
		Now:   time.Unix(1409659813, 0),
		Query: sampleQuery(),
		Body:  []byte(sampleBody),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []chat.Message{{
		ID: "4561255354251345929", User: "mycreate", Kind: chat.KindText, Text: "hello",
		Conversation: chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "mycreate"},
		SentAt:       time.Unix(1409659813, 0).UTC(),
	}}
	if diff := cmp.Diff(want, opened.Messages); diff != "" {
		t.Error(diff)
	}
	if len(opened.Ack.Body) > 0 {
		t.Errorf("answered %q; the platform would show it", opened.Ack.Body)
	}
}

func TestMessageKinds(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	created := noon.Add(-time.Second)
	message := func(m chat.Message) []chat.Message {
		m.User, m.SentAt = "zhang", created
		m.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
		return []chat.Message{m}
	}
	welcome := message(chat.Message{Kind: chat.KindWelcome, Once: "welcome:zhang", OnceFor: 24 * time.Hour})
	for _, tc := range []struct {
		name string
		in   sim.Message
		want []chat.Message
		id   string
	}{
		{"text", sim.Message{Type: "text", Text: " 你好 ", ID: "7"}, message(chat.Message{Kind: chat.KindText, Text: " 你好 "}), "7"},
		{"image", sim.Message{Type: "image", ID: "8", MediaID: "M"}, message(chat.Message{
			Kind: chat.KindText, Images: []chat.Image{{Ref: json.RawMessage(`{"media_id":"M"}`)}},
		}), "8"},
		{"an image with an endless id", sim.Message{Type: "image", ID: "8", MediaID: strings.Repeat("M", 300)}, message(chat.Message{
			Kind: chat.KindUnsupported, Text: "image",
		}), "8"},
		{"voice that the platform understood", sim.Message{Type: "voice", ID: "9", Recognition: "明天几点开会"}, message(chat.Message{
			Kind: chat.KindText, Text: "明天几点开会",
		}), "9"},
		{"video", sim.Message{Type: "video", ID: "9"}, message(chat.Message{Kind: chat.KindUnsupported, Text: "video"}), "9"},
		{"a place", sim.Message{Type: "location", ID: "9"}, message(chat.Message{Kind: chat.KindUnsupported, Text: "location"}), "9"},
		{"voice", sim.Message{Type: "voice", ID: "9"}, message(chat.Message{Kind: chat.KindUnsupported, Text: "voice"}), "9"},
		{"enter", sim.Message{Type: "event", Event: "enter_agent"}, welcome, "event:zhang:1795348799:enter_agent:"},
		{"subscribe", sim.Message{Type: "event", Event: "subscribe"}, welcome, "event:zhang:1795348799:subscribe:"},
		{"unsubscribe", sim.Message{Type: "event", Event: "unsubscribe"}, nil, ""},
		{"click", sim.Message{Type: "event", Event: "click", EventKey: "menu:1"}, nil, ""},
		{"view", sim.Message{Type: "event", Event: "view", EventKey: "http://a"}, nil, ""},
		{"location", sim.Message{Type: "event", Event: "LOCATION"}, nil, ""},
		{"a kind that does not exist yet", sim.Message{Type: "hologram", ID: "1"}, message(chat.Message{Kind: chat.KindUnsupported, Text: "hologram"}), "1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.User, tc.in.CreatedAt = "zhang", created
			opened, err := a.Open(t.Context(), delivery(t, theApp(), tc.in, noon))
			if err != nil {
				t.Fatal(err)
			}
			for i := range tc.want {
				tc.want[i].ID = tc.id
			}
			if diff := cmp.Diff(tc.want, opened.Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefused is about what is sealed rightly and still must not come in.
func TestRefused(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	text := sim.Message{ID: "1", User: "zhang", Type: "text", Text: "好"}
	by := func(change func(*sim.App)) sim.App {
		other := theApp()
		change(&other)
		return other
	}
	for _, tc := range []struct {
		name string
		d    channel.Delivery
		kind chat.Kind
		says string
	}{
		{"another application", delivery(t, by(func(a *sim.App) { a.AgentID++ }), text, noon), chat.Forbidden, "agent_id"},
		{"another corp", delivery(t, by(func(a *sim.App) { a.CorpID = "ww1" }), text, noon), chat.Forbidden, "corp_id"},
		{"another token", delivery(t, by(func(a *sim.App) { a.Token = "x" }), text, noon), chat.Unauthenticated, "token"},
		{"another key", delivery(t, by(func(a *sim.App) { a.AESKey = strings.Repeat("a", 43) }), text, noon), chat.Invalid, "aes_key"},
		{"nobody", delivery(t, theApp(), sim.Message{ID: "1", Type: "text"}, noon), chat.Invalid, "FromUserName"},
		{"everybody", delivery(t, theApp(), sim.Message{ID: "1", User: "@all", Type: "text"}, noon), chat.Invalid, "FromUserName"},
		{"two at once", delivery(t, theApp(), sim.Message{ID: "1", User: "a|b", Type: "text"}, noon), chat.Invalid, "FromUserName"},
		{"an endless id", delivery(t, theApp(), sim.Message{ID: strings.Repeat("1", 300), User: "a", Type: "text"}, noon), chat.Invalid, "MsgId"},
		{"no type", delivery(t, theApp(), sim.Message{ID: "1", User: "a"}, noon), chat.Invalid, "MsgType"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opened, err := a.Open(t.Context(), tc.d)
			if len(opened.Messages) > 0 || chat.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("opened %v, error %v; want kind %v and what to mend: %s", opened.Messages, err, tc.kind, tc.says)
			}
		})
	}
}

func TestAge(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	for _, tc := range []struct {
		at time.Duration
		ok bool
	}{{0, true}, {-23 * time.Hour, true}, {-24 * time.Hour, false}, {5 * time.Minute, true}, {time.Hour, false}} {
		d := delivery(t, theApp(), sim.Message{ID: "1", User: "zhang", Type: "text"}, noon.Add(tc.at))
		d.Now = noon
		if _, err := a.Open(t.Context(), d); (err == nil) != tc.ok {
			t.Errorf("a delivery of %v: %v", tc.at, err)
		}
	}
}

// TestChallengeIsNoOracle: who captured a sealed message cannot have it opened by replaying it as an address verification.
func TestChallengeIsNoOracle(t *testing.T) {
	a := newWorld(t, sim.Options{}).app(t)
	env, err := wecom.NewEnvelope(ref.CorpID, secrets(testToken), secrets(testAESKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, plain string
		age         time.Duration
		kind        chat.Kind
		ok          bool
	}{
		{"a number", "6375263498752034923", 0, 0, true},
		{"letters", "abcXYZ019", time.Minute, 0, true},
		{"stale", "6375263498752034923", 6 * time.Minute, chat.Invalid, false},
		{"from the future", "6375263498752034923", -6 * time.Minute, chat.Invalid, false},
		{"a message", "<xml><Content>secret</Content></xml>", 0, chat.Invalid, false},
		{"empty", "", 0, chat.Invalid, false},
		{"long", strings.Repeat("1", 65), 0, chat.Invalid, false},
		{"with a space", "1 2", 0, chat.Invalid, false},
		{"Chinese", "你好", 0, chat.Invalid, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := env.Seal([]byte(tc.plain), "1795348800", "1")
			d := channel.Delivery{Now: time.Unix(1795348800, 0).Add(tc.age), Query: url.Values{
				"msg_signature": {s.Signature}, "timestamp": {s.Timestamp}, "nonce": {s.Nonce}, "echostr": {s.Encrypt},
			}}
			plain, err := a.Challenge(t.Context(), d)
			if tc.ok != (err == nil) || tc.ok && string(plain) != tc.plain {
				t.Fatalf("answered %q, %v", plain, err)
			}
			if !tc.ok && (chat.KindOf(err) != tc.kind || len(plain) > 0) {
				t.Errorf("answered %q, %v", plain, err)
			}
		})
	}
	d := delivery(t, theApp(), sim.Message{ID: "1", User: "zhang", Type: "text"}, noon)
	d.Query.Set("echostr", string(d.Body))
	if plain, err := a.Challenge(t.Context(), d); err == nil {
		t.Errorf("answered %q", plain)
	}
}

func secrets(values ...string) (all []chat.Secret) {
	for _, v := range values {
		all = append(all, chat.NewSecret(v))
	}
	return all
}
