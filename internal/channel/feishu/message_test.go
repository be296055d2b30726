package feishu

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

func TestContent(t *testing.T) {
	at := []mention{{Key: "@_user_1", ID: testBot, Name: "Parley"}, {Key: "@_user_2", ID: "ou_li", Name: "李四"}, {Key: "@_user_10", ID: "ou_w", Name: "王\n五"}}
	post := func(lines string) string { return `{"title":"标题","content":[` + lines + `]}` }
	for _, tc := range []struct{ name, kind, raw, want string }{
		{"text", "text", `{"text":" 你好\n世界 "}`, "你好\n世界"},
		{"the bot's mention", "text", `{"text":"@_user_1 你好"}`, "你好"},
		{"only the bot's", "text", `{"text":"@_user_1"}`, ""},
		{"another's mention", "text", `{"text":"@_user_1 问@_user_2 和@_user_10"}`, "问@李四 和@王 五"},
		{"everybody", "text", `{"text":"@_all 好"}`, "@所有人 好"},
		{"nobody known", "text", `{"text":"@_user_7 好 a@_user_2b"}`, "@_user_7 好 a@李四b"},
		{"no JSON", "text", `{`, ""},
		{"a post", "post", post(`[{"tag":"text","text":"一"},{"tag":"at","user_id":"@_user_2","user_name":"x"}],[{"tag":"text","text":"二"}]`), "标题\n一@李四\n二"},
		{"a link", "post", post(`[{"tag":"a","href":"https://a.example","text":"官网"},{"tag":"a","href":"https://b.example","text":"https://b.example"}]`),
			"标题\n官网 (https://a.example)https://b.example"},
		{"code", "post", post(`[{"tag":"code_block","language":"GO","text":"x := 1\n"}]`), "标题\n\n```\nx := 1\n```"},
		{"feelings", "post", post(`[{"tag":"emotion","emoji_type":"SMILE"}],[{"tag":"hr"}],[{"tag":"media","file_key":"f"}]`), "标题\n[SMILE]\n---"},
		{"with its language", "post", `{"zh_cn":` + post(`[{"tag":"text","text":"一"}]`) + `}`, "标题\n一"},
		{"a post that is none", "post", `{"content":7}`, ""},
		{"audio", "audio", `{"file_key":"f","duration":1}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := read("om_1", tc.kind, tc.raw, at, testBot); got.text != tc.want {
				t.Errorf("%q, want %q", got.text, tc.want)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	c := callback(t, nil)
	for _, tc := range []struct {
		name string
		in   sim.Message
		kind chat.MessageKind
		text string
	}{
		{"text", sim.Message{Text: "好"}, chat.KindText, "好"},
		{"audio", sim.Message{Type: "audio", Content: `{"file_key":"f"}`}, chat.KindUnsupported, "audio"},
		{"sticker", sim.Message{Type: "sticker", Content: `{"file_key":"f"}`}, chat.KindUnsupported, "sticker"},
		{"a picture that is none", sim.Message{Type: "image", Content: `{"image_key":"../x"}`}, chat.KindUnsupported, "image"},
		{"a kind that does not exist yet", sim.Message{Type: "hologram", Content: "?"}, chat.KindUnsupported, "hologram"},
		{"an empty text", sim.Message{Type: "text", Content: `{"text":""}`}, chat.KindText, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.ID, tc.in.User = "om_1", "ou_z"
			opened, err := c.Open(t.Context(), delivery(theApp(), tc.in, noon))
			if err != nil {
				t.Fatal(err)
			}
			if m := opened.Messages[0]; m.Kind != tc.kind || m.Text != tc.text || !m.SentAt.Equal(time.UnixMilli(1795348800123)) {
				t.Errorf("%+v", m)
			}
		})
	}
	t.Run("of another bot", func(t *testing.T) {
		opened, err := c.Open(t.Context(), delivery(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "好", Sender: "app"}, noon))
		if err != nil || len(opened.Messages) > 0 || string(opened.Ack.Body) != "{}" {
			t.Errorf("%+v, %v; two bots would talk for ever", opened, err)
		}
	})
}

func TestWelcome(t *testing.T) {
	c := callback(t, nil)
	created, _ := json.Marshal(map[string]any{"uuid": "u1", "token": testToken, "type": "event_callback", "ts": "1", "event": map[string]any{
		"app_id": testApp, "chat_id": "oc_1", "type": "p2p_chat_create", "operator": map[string]string{"open_id": "ou_z", "user_id": ""},
	}})
	other, _ := json.Marshal(map[string]any{"uuid": "u1", "token": testToken, "type": "event_callback", "event": map[string]any{"app_id": testApp, "type": "app_open"}})
	welcome := func(id, conversation, once string) []chat.Message {
		return []chat.Message{{
			ID: id, User: "ou_z", Kind: chat.KindWelcome, Once: once, OnceFor: 24 * time.Hour,
			Conversation: chat.ConversationKey{Tenant: "acme", Channel: "lark", ID: conversation},
		}}
	}
	for _, tc := range []struct {
		name string
		doc  []byte
		want []chat.Message
	}{
		{"opened", document(theApp(), sim.Message{User: "ou_z", Event: sim.EventEntered}), welcome("event:ev1", "p/ou_z", "welcome:ou_z")},
		{"into a group", document(theApp(), sim.Message{User: "ou_z", Group: "oc_g", Event: sim.EventAdded}), welcome("event:ev1", "m/oc_g/ou_z", "welcome:oc_g")},
		{"opened first", created, welcome("event:u1", "p/ou_z", "welcome:ou_z")},
		{"something of old", other, nil},
		{"something else", document(theApp(), sim.Message{User: "ou_z", Event: "im.message.reaction.created_v1"}), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opened, err := c.Open(t.Context(), deliver(theApp(), tc.doc, noon))
			if err != nil {
				t.Fatal(err)
			}
			for i := range opened.Messages {
				opened.Messages[i].Address = nil
			}
			if diff := cmp.Diff(tc.want, opened.Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWelcomed: a chat that begins has no message to answer to.
func TestWelcomed(t *testing.T) {
	w := newWorld(t, sim.Options{}, nil)
	w.register(t, w.entry(t, nil))
	m := w.push(t, sim.Message{User: "ou_z", Event: sim.EventEntered})
	c := w.replica(t, nil)
	if err := show(t, c, m, "…"); err != nil {
		t.Fatal(err)
	}
	if err := answer(t, c, m, "你好，我是助手。"); err != nil {
		t.Fatal(err)
	}
	want := []sim.Shown{{Chat: "oc_p2p_ou_z", Type: "interactive", Text: "你好，我是助手。"}}
	if diff := cmp.Diff(want, trim(w.await(t, "oc_p2p_ou_z", 1))); diff != "" {
		t.Error(diff)
	}
}

func TestGroups(t *testing.T) {
	w := newWorld(t, sim.Options{PerChat: -1}, nil)
	w.register(t, w.entry(t, nil))
	for _, tc := range []struct {
		name         string
		in           sim.Message
		conversation string // empty: it is not meant for the bot
		text         string
	}{
		{"mentioned", sim.Message{At: true, Text: "你好"}, "m/oc_g/ou_z", "你好"},
		{"not mentioned", sim.Message{Text: "你好"}, "", ""},
		{"another mentioned", sim.Message{Text: "@_user_2 你好", Others: []sim.Person{{ID: "ou_li", Name: "李四"}}}, "", ""},
		{"both mentioned", sim.Message{At: true, Text: "问 @_user_2 吧", Others: []sim.Person{{ID: "ou_li", Name: "李四"}}}, "m/oc_g/ou_z", "问 @李四 吧"},
		{"everybody mentioned", sim.Message{Text: "@_all 你好"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.User, tc.in.Group = "ou_z", "oc_g"
			if tc.conversation == "" {
				before := len(w.inbox.Messages())
				if _, err := w.sim.Push(t.Context(), testApp, tc.in); err != nil || len(w.inbox.Messages()) != before {
					t.Errorf("%v, accepted %+v", err, w.inbox.Messages()[before:])
				}
				return
			}
			m := w.push(t, tc.in)
			if m.Conversation.ID != tc.conversation || m.Text != tc.text {
				t.Errorf("%+v", m)
			}
		})
	}
	if n := w.sim.Stats().Calls["bot"]; n != 1 {
		t.Errorf("asked %d times who the bot is", n)
	}
}

// TestBotUnknown: while nobody can tell whether a group's message is meant for the bot, it is neither answered nor lost.
func TestBotUnknown(t *testing.T) {
	w := newWorld(t, sim.Options{}, nil)
	w.register(t, w.entry(t, nil))
	w.sim.Inject(sim.Fault{API: "bot", Times: 1, Status: 500})
	posted, err := w.sim.Push(t.Context(), testApp, sim.Message{User: "ou_z", Group: "oc_g", At: true, Text: "你好"})
	if err != nil || len(posted.Tries) != 2 || posted.Tries[0].Status != 503 {
		t.Fatalf("%v, tries %+v", err, posted.Tries)
	}
	if got := w.inbox.Messages(); len(got) != 1 {
		t.Errorf("accepted %+v", got)
	}
}

// TestThreads: with history.group thread a topic has one conversation, also its first message, and answers go where they were asked for.
func TestThreads(t *testing.T) {
	for _, tc := range []struct {
		name     string
		setting  string
		inThread string
		in       sim.Message
		want     func(m chat.Message) string // its conversation
		thread   bool                        // the answer is in a topic
	}{
		{"a topic", channel.GroupThread, "false", sim.Message{Root: "om_root", Parent: "om_root", Thread: "omt_1"}, func(chat.Message) string { return "t/oc_g/om_root" }, true},
		{"a topic's first", channel.GroupThread, "false", sim.Message{Thread: "omt_1"}, func(m chat.Message) string { return "t/oc_g/" + m.ID }, true},
		{"outside of topics", channel.GroupThread, "false", sim.Message{}, func(chat.Message) string { return "g/oc_g" }, false},
		{"an answer outside of topics", channel.GroupThread, "false", sim.Message{Root: "om_r", Parent: "om_r"}, func(chat.Message) string { return "g/oc_g" }, false},
		{"answers open topics", channel.GroupThread, "true", sim.Message{}, func(m chat.Message) string { return "t/oc_g/" + m.ID }, true},
		{"answers open topics, of members", channel.GroupMember, "true", sim.Message{}, func(chat.Message) string { return "m/oc_g/ou_z" }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, nil)
			s := settings(map[string]any{"reply_in_thread": tc.inThread})
			s.GroupBy = tc.setting
			c, err := New(s, w.deps())
			if err != nil {
				t.Fatal(err)
			}
			tc.in.User, tc.in.Group, tc.in.At, tc.in.Text = "ou_z", "oc_g", true, "你好"
			_, _ = w.sim.Push(t.Context(), testApp, tc.in) // the platform knows it now
			posted := w.sim.Posted("oc_g")[0]
			opened, err := c.(channel.Callback).Open(t.Context(), deliver(theApp(), sim.Document(theApp(), posted.Message), time.Now()))
			if err != nil || len(opened.Messages) != 1 {
				t.Fatalf("%+v, %v", opened, err)
			}
			m := opened.Messages[0]
			if want := tc.want(m); m.Conversation.ID != want {
				t.Errorf("conversation %s, want %s", m.Conversation.ID, want)
			}
			if err := answer(t, c, m, "好"); err != nil {
				t.Fatal(err)
			}
			shown := w.await(t, "oc_g", 1)[0]
			if (shown.Thread != "") != tc.thread || !cmp.Equal(shown.Mentions, []string{"ou_z"}) {
				t.Errorf("shown %+v", shown)
			}
		})
	}
}

// TestNoTopics: a group without topics gets its answer all the same.
func TestNoTopics(t *testing.T) {
	w := newWorld(t, sim.Options{}, func(a *sim.App) { a.NoTopics = true })
	w.register(t, w.entry(t, map[string]any{"reply_in_thread": "true"}))
	m := w.push(t, sim.Message{User: "ou_z", Group: "oc_g", At: true, Text: "你好"})
	if err := answer(t, w.replica(t, map[string]any{"reply_in_thread": "true"}), m, "好"); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, "oc_g", 1); shown[0].Thread != "" {
		t.Errorf("shown %+v", shown)
	}
}

func TestQuotes(t *testing.T) {
	w := newWorld(t, sim.Options{PerChat: -1}, nil)
	w.register(t, w.entry(t, nil))
	pixel := png(t)
	first := w.push(t, sim.Message{User: "ou_li", Text: "明天的会几点？", Pictures: [][]byte{pixel}})
	if err := answer(t, w.replica(t, nil), first, "三点"); err != nil {
		t.Fatal(err)
	}
	own := w.await(t, "oc_p2p_ou_li", 1)[0].ID
	for _, tc := range []struct {
		name, parent, quote string
		images              int
	}{
		{"a person's", first.ID, "明天的会几点？", 1},
		{"the bot's own", own, "", 0},
		{"nobody's", "om_unknown", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := w.push(t, sim.Message{User: "ou_li", Text: "为什么？", Parent: tc.parent, Root: first.ID})
			if m.Quote != tc.quote || len(m.Images) != tc.images || m.Text != "为什么？" {
				t.Errorf("%+v", m)
			}
		})
	}
	t.Run("in time", func(t *testing.T) {
		w.sim.Inject(sim.Fault{API: "message", Delay: 10 * time.Second})
		began := time.Now()
		m := w.push(t, sim.Message{User: "ou_li", Text: "为什么？", Parent: first.ID})
		if m.Quote != "" || time.Since(began) > 5*time.Second {
			t.Errorf("%+v after %v", m, time.Since(began))
		}
	})
}
