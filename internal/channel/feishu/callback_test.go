package feishu

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func callback(t *testing.T, changes map[string]any) *Callback {
	t.Helper()
	w := &world{origin: "http://127.0.0.1:1", inbox: &channeltest.Inbox{}, cache: channeltest.NewCache()}
	c, ok := newBot(t, w.deps(), changes).(*Callback)
	if !ok {
		t.Fatal("no Callback")
	}
	return c
}

func by(change func(*sim.App)) sim.App {
	a := theApp()
	change(&a)
	return a
}

// unsigned is a delivery as the platform verifies an address.
func unsigned(a sim.App, doc []byte) channel.Delivery {
	d := deliver(a, doc, noon)
	d.Header = http.Header{"Content-Type": {"application/json"}}
	return d
}

func TestChallenge(t *testing.T) {
	c := callback(t, nil)
	for _, tc := range []struct {
		name string
		d    channel.Delivery
		want string
		kind chat.Kind
	}{
		{"true", unsigned(theApp(), sim.VerifyDocument(theApp(), "3f1c-9_Zz")), `{"challenge":"3f1c-9_Zz"}`, 0},
		{"signed", deliver(theApp(), sim.VerifyDocument(theApp(), "abc"), noon), `{"challenge":"abc"}`, 0},
		{"another token", unsigned(theApp(), sim.VerifyDocument(by(func(a *sim.App) { a.VerificationToken = "x" }), "abc")), "", chat.Unauthenticated},
		{"another key", unsigned(by(func(a *sim.App) { a.EncryptKey = "x" }), sim.VerifyDocument(theApp(), "abc")), "", chat.Unauthenticated},
		{"a message", unsigned(theApp(), document(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "秘密"})), "", chat.Unauthenticated},
		{"no challenge", unsigned(theApp(), sim.VerifyDocument(theApp(), "")), "", chat.Invalid},
		{"a long one", unsigned(theApp(), sim.VerifyDocument(theApp(), strings.Repeat("a", 129))), "", chat.Invalid},
		{"a text", unsigned(theApp(), sim.VerifyDocument(theApp(), "a secret text")), "", chat.Invalid},
		{"open", channel.Delivery{Header: http.Header{}, Body: sim.VerifyDocument(theApp(), "abc"), Now: noon}, "", chat.Unauthenticated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opened, err := c.Open(t.Context(), tc.d)
			if string(opened.Ack.Body) != tc.want || len(opened.Messages) > 0 || (err == nil) != (tc.want != "") {
				t.Fatalf("answered %q, messages %v, %v", opened.Ack.Body, opened.Messages, err)
			}
			if err != nil && chat.KindOf(err) != tc.kind {
				t.Errorf("%v, want kind %v", err, tc.kind)
			}
		})
	}
	if _, err := c.Challenge(t.Context(), channel.Delivery{Now: noon}); err == nil {
		t.Error("a GET was answered")
	}
}

// TestNoOracle: whoever changes a captured event learns nothing of what it holds, whatever the change does to its padding.
func TestNoOracle(t *testing.T) {
	c := callback(t, nil)
	d := delivery(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "秘密"}, noon)
	var sealed struct{ Encrypt string }
	if err := json.Unmarshal(d.Body, &sealed); err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range sealed.Encrypt {
		changed := []byte(sealed.Encrypt)
		changed[i] = 'A' + (changed[i]-'A'+1)%26
		d.Body, _ = json.Marshal(map[string]string{"encrypt": string(changed)})
		_, err := c.Open(t.Context(), d)
		if chat.KindOf(err) != chat.Unauthenticated {
			t.Fatalf("byte %d: %v", i, err)
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Fatalf("byte %d tells something: %v and %s", i, err, first)
		}
	}
}

func TestRefused(t *testing.T) {
	c := callback(t, nil)
	text := sim.Message{ID: "om_1", User: "ou_z", Text: "好"}
	own := theApp()
	change := func(what string, to any) channel.Delivery {
		var doc map[string]any
		if err := json.Unmarshal(document(own, text), &doc); err != nil {
			t.Fatal(err)
		}
		at := doc
		path := strings.Split(what, ".")
		for _, step := range path[:len(path)-1] {
			at = at[step].(map[string]any)
		}
		at[path[len(path)-1]] = to
		raw, _ := json.Marshal(doc)
		return deliver(own, raw, noon)
	}
	for _, tc := range []struct {
		name string
		d    channel.Delivery
		kind chat.Kind
		says string
	}{
		{"another key", delivery(by(func(a *sim.App) { a.EncryptKey = "x" }), text, noon), chat.Unauthenticated, "encrypt_key"},
		{"another token", deliver(own, document(by(func(a *sim.App) { a.VerificationToken = "x" }), text), noon), chat.Unauthenticated, "verification_token"},
		{"no token", change("header.token", ""), chat.Unauthenticated, "verification_token"},
		{"another application", deliver(own, document(by(func(a *sim.App) { a.AppID = "cli_x" }), text), noon), chat.Forbidden, "app_id"},
		{"another schema", change("schema", "3.0"), chat.Invalid, "schema"},
		{"nobody", change("event.sender.sender_id.open_id", ""), chat.Invalid, "open_id"},
		{"a path for an id", change("event.message.message_id", "../x"), chat.Invalid, "message_id"},
		{"a tag for a sender", change("event.sender.sender_id.open_id", "all></at>"), chat.Invalid, "open_id"},
		{"an endless id", change("event.message.chat_id", strings.Repeat("1", 300)), chat.Invalid, "chat_id"},
		{"a parent that is none", change("event.message.parent_id", "a/b"), chat.Invalid, "parent_id"},
		{"no kind", change("event.message.message_type", ""), chat.Invalid, "message_type"},
		{"a wrong type", change("event.message.content", 7), chat.Invalid, "content"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opened, err := c.Open(t.Context(), tc.d)
			if len(opened.Messages) > 0 || chat.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("opened %v, error %v; want kind %v and what to mend: %s", opened.Messages, err, tc.kind, tc.says)
			}
		})
	}
}

func TestAge(t *testing.T) {
	c := callback(t, nil)
	for _, tc := range []struct {
		at time.Duration
		ok bool
	}{{0, true}, {-23 * time.Hour, true}, {-8 * time.Hour, true}, {-24 * time.Hour, false}, {5 * time.Minute, true}, {time.Hour, false}} {
		d := delivery(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "好"}, noon.Add(tc.at))
		d.Now = noon
		if _, err := c.Open(t.Context(), d); (err == nil) != tc.ok || err != nil && chat.KindOf(err) != chat.Invalid {
			t.Errorf("a delivery of %v: %v", tc.at, err)
		}
	}
}

// TestRotation: while the administrator changes keys, both are good.
func TestRotation(t *testing.T) {
	c := callback(t, map[string]any{"encrypt_key": []string{"a-new-key", testKey}, "verification_token": []string{"a-new-token", testToken}})
	for name, a := range map[string]sim.App{
		"old": theApp(),
		"new": by(func(a *sim.App) { a.EncryptKey, a.VerificationToken = "a-new-key", "a-new-token" }),
	} {
		opened, err := c.Open(t.Context(), delivery(a, sim.Message{ID: "om_1", User: "ou_z", Text: "好"}, noon))
		if err != nil || len(opened.Messages) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if opened, err := c.Open(t.Context(), unsigned(a, sim.VerifyDocument(a, "abc"))); err != nil || len(opened.Ack.Body) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name    string
		changes map[string]any
		says    string
	}{
		{"no key", map[string]any{"encrypt_key": nil}, "encrypt_key"},
		{"no token", map[string]any{"verification_token": nil}, "verification_token"},
		{"an empty token", map[string]any{"verification_token": []string{testToken, ""}}, "verification_token"},
		{"no secret", map[string]any{"app_secret": nil}, "app_secret"},
		{"no id", map[string]any{"app_id": nil}, "app_id"},
		{"an id that is none", map[string]any{"app_id": "cli a"}, "app_id"},
		{"another mode", map[string]any{"mode": "push"}, "mode"},
		{"a card that is maybe", map[string]any{"card": "maybe"}, "card"},
		{"keys of a connection", map[string]any{"mode": "stream"}, "unread [encrypt_key verification_token]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := settings(tc.changes)
			w := &world{cache: channeltest.NewCache()}
			_, err := New(s, w.deps())
			said := strings.Join(s.Faults, "\n")
			if err != nil {
				said += err.Error()
			}
			if unread := s.Unread(); len(unread) > 0 {
				said += "unread [" + strings.Join(unread, " ") + "]"
			}
			if !strings.Contains(said, tc.says) {
				t.Errorf("said %q, want something of %s", said, tc.says)
			}
		})
	}
}

// TestRedelivery: what could not be stored comes again, and is stored once.
func TestRedelivery(t *testing.T) {
	w := newWorld(t, sim.Options{}, nil)
	w.register(t, w.entry(t, nil))
	w.inbox.Fail(errors.New("redis is away"))
	posted, err := w.sim.Say(t.Context(), testApp, "ou_zhang", "你好")
	if err == nil || posted.Acked || len(posted.Tries) != 3 {
		t.Fatalf("without a store: acknowledged %v after %d tries, %v", posted.Acked, len(posted.Tries), err)
	}
	for _, try := range posted.Tries {
		if try.Status != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", try.Status)
		}
	}
	w.inbox.Fail(nil)
	for range 2 {
		if _, err := w.sim.Push(t.Context(), testApp, posted.Message); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.inbox.Messages(); len(got) != 1 || got[0].ID != posted.ID {
		t.Errorf("accepted %+v, want %s once", got, posted.ID)
	}
}
