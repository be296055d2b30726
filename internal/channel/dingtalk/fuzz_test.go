package dingtalk

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

// FuzzMessage: no body panics, and what is taken holds what a reply and the store need.
func FuzzMessage(f *testing.F) {
	platform := sim.New(sim.Options{})
	platform.SetOrigin("https://oapi.dingtalk.com")
	if err := platform.AddApp(sim.App{Key: testKey, Secret: testSecret}); err != nil {
		f.Fatal(err)
	}
	for _, m := range []sim.Message{
		{User: "zhang", Text: "你好"}, {User: "zhang", Group: group, Text: "你好", Quote: &sim.Quote{Type: "richText", Text: "x", Pictures: [][]byte{{1}}}},
		{User: "zhang", Type: "picture", Pictures: [][]byte{{1}}}, {User: "zhang", Type: "audio", Text: "x"}, {User: "guest", Outside: true, Type: "file"},
		{User: "zhang", Text: "x", Quote: &sim.Quote{Type: "interactiveCard", Text: "x"}},
	} {
		_, body, err := platform.Document(testKey, m, time.Now())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	s := settings(nil)
	made, err := New(s, channel.Deps{Now: time.Now, Origins: channel.Origins{DingTalkWebhooks: []string{"https://oapi.dingtalk.com"}}})
	if err != nil {
		f.Fatal(err)
	}
	c := made.(*Callback)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, ok, err := c.message(body)
		if ok == (err != nil) {
			t.Fatalf("ok %v with %v", ok, err)
		}
		if !ok {
			return
		}
		if m.ID == "" || len(m.ID) > maxID || m.User == "" || len(m.User) > maxID || m.Conversation.ID == "" || len(m.Images) > chat.MaxImages || !utf8.ValidString(m.Text) {
			t.Errorf("%+v", m)
		}
		if m.Kind == chat.KindUnsupported && m.Text == "" {
			t.Errorf("no kind is named: %+v", m)
		}
		if a := addressOf(m); a.Webhook != "" && !within(a.Webhook, c.webhooks) || a.Sender == "" {
			t.Errorf("address %+v", a)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}

// FuzzAnswer: whatever a platform answers is judged without a panic, and only what says so was shown.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"errcode":0,"errmsg":"ok"}`))
	f.Add(200, []byte(`{"errcode":300001,"errmsg":"session 不存在"}`))
	f.Add(403, []byte(`{"code":"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi","message":"x"}`))
	f.Add(405, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := answer{status, body}
		if e := hookError(a); e == nil {
			var said struct {
				Code *int `json:"errcode"`
			}
			if json.Unmarshal(body, &said) != nil || said.Code == nil || *said.Code != 0 || status != 200 {
				t.Errorf("%d %q counts as shown", status, body)
			}
		} else if e.Error() == "" || len(e.Error()) > 1000 {
			t.Errorf("%d bytes of error", len(e.Error()))
		}
		if e := apiError("x", a); e.Error() == "" {
			t.Error("no error")
		}
	})
}
