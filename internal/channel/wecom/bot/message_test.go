package bot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/sim/wecom/bot"
)

// open has a callback opened that holds what is said in JSON.
func open(t *testing.T, c *Callback, plain string) (channel.Opened, error) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(plain), &m); err != nil {
		t.Fatal(err)
	}
	return c.Open(t.Context(), deliver(t, "", time.Now(), m))
}

func TestMessages(t *testing.T) {
	const who = `"msgid":"CAIQz7/MjQYY/NGagIOAgAMgl8jK/gI=","aibotid":"AIBOTID","from":{"userid":"zhang"},`
	const single, group = who + `"chattype":"single",`, who + `"chattype":"group","chatid":"room",`
	image := func(urls ...string) (list []chat.Image) {
		for _, u := range urls {
			list = append(list, chat.Image{Ref: json.RawMessage(`{"url":"` + u + `"}`)})
		}
		return list
	}
	for name, tc := range map[string]struct {
		in   string
		want chat.Message // Kind, Text, Quote, Images
	}{
		"text":                 {single + `"msgtype":"text","text":{"content":"你好"}`, chat.Message{Kind: chat.KindText, Text: "你好"}},
		"spaces stay":          {single + `"msgtype":"text","text":{"content":" a\n b "}`, chat.Message{Kind: chat.KindText, Text: " a\n b "}},
		"an @ in single chats": {single + `"msgtype":"text","text":{"content":"@小助手 你好"}`, chat.Message{Kind: chat.KindText, Text: "@小助手 你好"}},
		"voice":                {single + `"msgtype":"voice","voice":{"content":"今天天气"}`, chat.Message{Kind: chat.KindText, Text: "今天天气"}},
		"voice without words":  {single + `"msgtype":"voice","voice":{"content":" "}`, chat.Message{Kind: chat.KindUnsupported, Text: "voice"}},
		"a file":               {single + `"msgtype":"file","file":{"url":"u"}`, chat.Message{Kind: chat.KindUnsupported, Text: "file"}},
		"a video":              {single + `"msgtype":"video","video":{"url":"u"}`, chat.Message{Kind: chat.KindUnsupported, Text: "video"}},
		"of the future":        {single + `"msgtype":"hologram"`, chat.Message{Kind: chat.KindUnsupported, Text: "hologram"}},
		"an image":             {single + `"msgtype":"image","image":{"url":"u"}`, chat.Message{Kind: chat.KindText, Images: image("u")}},
		"mixed": {
			single + `"msgtype":"mixed","mixed":{"msg_item":[{"msgtype":"text","text":{"content":"看"}},{"msgtype":"image","image":{"url":"u1"}},` +
				`{"msgtype":"text","text":{"content":"这些"}},{"msgtype":"image","image":{"url":"u2"}}]}`,
			chat.Message{Kind: chat.KindText, Text: "看\n这些", Images: image("u1", "u2")},
		},
		"more images than are looked at": {
			single + `"msgtype":"mixed","mixed":{"msg_item":[` + strings.Repeat(`{"msgtype":"image","image":{"url":"u"}},`, 9) + `{"msgtype":"text","text":{"content":"看"}}]}`,
			chat.Message{Kind: chat.KindText, Text: "看", Images: image("u", "u", "u", "u")},
		},
		"a quote": {
			single + `"msgtype":"text","text":{"content":"为什么"},"quote":{"msgtype":"text","text":{"content":"昨天说的"}}`,
			chat.Message{Kind: chat.KindText, Text: "为什么", Quote: "昨天说的"},
		},
		"a quoted image": {
			single + `"msgtype":"text","text":{"content":"这是什么"},"quote":{"msgtype":"image","image":{"url":"q"}}`,
			chat.Message{Kind: chat.KindText, Text: "这是什么", Images: image("q")},
		},
		"quoted words and images": {
			single + `"msgtype":"image","image":{"url":"u"},"quote":{"msgtype":"mixed","mixed":{"msg_item":[{"msgtype":"text","text":{"content":"看"}},{"msgtype":"image","image":{"url":"q"}}]}}`,
			chat.Message{Kind: chat.KindText, Quote: "看", Images: image("u", "q")},
		},
		"a quoted voice": {
			single + `"msgtype":"text","text":{"content":"好"},"quote":{"msgtype":"voice","voice":{"content":"开会吗"}}`,
			chat.Message{Kind: chat.KindText, Text: "好", Quote: "开会吗"},
		},
		"a quoted file": {
			single + `"msgtype":"text","text":{"content":"好"},"quote":{"msgtype":"file","file":{"url":"u"}}`, chat.Message{Kind: chat.KindText, Text: "好"},
		},
		"a group": {group + `"msgtype":"text","text":{"content":"@小助手 你好"}`, chat.Message{Kind: chat.KindText, Text: "你好"}},
		"a command in a group": {
			group + `"msgtype":"text","text":{"content":"@小助手 /stop"}`, chat.Message{Kind: chat.KindText, Text: "/stop"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newBot(t, newStage(t, bot.Options{}).deps(), nil).(*Callback)
			opened, err := open(t, c, "{"+tc.in+"}")
			if err != nil || len(opened.Messages) != 1 {
				t.Fatal(opened, err)
			}
			m := opened.Messages[0]
			got := chat.Message{Kind: m.Kind, Text: m.Text, Quote: m.Quote, Images: m.Images}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !m.Alone || m.User != "zhang" || m.ID != "CAIQz7/MjQYY/NGagIOAgAMgl8jK/gI=" {
				t.Errorf("%+v", m)
			}
			var ack stream
			openAck(t, deliverOf(t, opened), opened.Ack, &ack)
			if to, _ := decodeAddress(m); ack.Stream.ID != to.Stream || len(to.Stream) < 16 || ack.Stream.Finish || ack.Stream.Content == "" {
				t.Errorf("answered %+v", ack)
			}
		})
	}
}

// deliverOf is a delivery whose nonce is the answer's: what else it holds does not matter.
func deliverOf(t *testing.T, o channel.Opened) channel.Delivery {
	t.Helper()
	var got struct{ Nonce string }
	if err := json.Unmarshal(o.Ack.Body, &got); err != nil {
		t.Fatal(err)
	}
	d := deliver(t, "", time.Now(), nil)
	d.Query.Set("nonce", got.Nonce)
	return d
}

func TestConversations(t *testing.T) {
	const text = `"msgtype":"text","text":{"content":"x"}`
	for setting, want := range map[string][]string{
		channel.GroupMember: {"p/zhang", "m/room/zhang", "m/room/li", "m/hall/zhang"},
		channel.GroupShared: {"p/zhang", "g/room", "g/room", "g/hall"},
		channel.GroupThread: {"p/zhang", "g/room", "g/room", "g/hall"},
	} {
		s := settings(nil)
		s.GroupBy = setting
		made, err := New(s, newStage(t, bot.Options{}).deps())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, in := range []string{
			`{"msgid":"1","chattype":"single","from":{"userid":"zhang"},"chatid":"ignored",`, `{"msgid":"2","chattype":"group","chatid":"room","from":{"userid":"zhang"},`,
			`{"msgid":"3","chattype":"group","chatid":"room","from":{"userid":"li"},`, `{"msgid":"4","chattype":"group","chatid":"hall","from":{"userid":"zhang"},`,
		} {
			opened, err := open(t, made.(*Callback), in+text+"}")
			if err != nil {
				t.Fatal(err)
			}
			m := opened.Messages[0]
			got = append(got, m.Conversation.ID)
			if to, _ := decodeAddress(m); to.Group != (i > 0) || i > 0 && to.Chat == m.User || i == 0 && to.Chat != "zhang" {
				t.Errorf("%s: answers go to %+v", in, to)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", setting, diff)
		}
	}
}

func TestRefusedMessages(t *testing.T) {
	c := newBot(t, newStage(t, bot.Options{}).deps(), nil).(*Callback)
	long := strings.Repeat("x", maxID+1)
	for _, in := range []string{
		`{}`, `{"msgtype":"text"}`, `{"msgid":"1","msgtype":"text"}`, `{"msgtype":"text","from":{"userid":"zhang"}}`,
		`{"msgid":"` + long + `","msgtype":"text","from":{"userid":"zhang"}}`, `{"msgid":"1","msgtype":"text","from":{"userid":"` + long + `"}}`,
		`{"msgid":"1","chattype":"group","msgtype":"text","from":{"userid":"zhang"}}`, `{"msgid":"1","msgtype":"stream","from":{"userid":"zhang"}}`,
		`{"msgid":1,"msgtype":"text","from":{"userid":"zhang"}}`, `{"msgid":"1","msgtype":{},"from":[]}`,
	} {
		if opened, err := open(t, c, in); chat.KindOf(err) != chat.Invalid || len(opened.Messages) > 0 {
			t.Errorf("%.80s: %+v, %v", in, opened.Messages, err)
		}
	}
}

func TestWithoutMention(t *testing.T) {
	for _, tc := range []struct{ text, name, want string }{
		{"@小助手 你好", "", "你好"},
		{"@小助手\u2005你好", "", "你好"},
		{"你好@小助手 ", "", "你好"},
		{"你好 @小助手", "", "你好"},
		{"@小助手", "", ""},
		{"@小助手 @张三 的邮箱是 a@b.cn", "", "@张三 的邮箱是 a@b.cn"},
		{"邮箱是 a@b.cn", "", "邮箱是 a@b.cn"},
		{"写给 @张三 的信", "", "写给 @张三 的信"},
		{"没有", "", "没有"},
		{"", "", ""},
		{"@张三 @AI 助手 你好", "AI 助手", "@张三  你好"},
		{"@AI 助手 你好", "AI 助手", "你好"},
		{"@改了名的助手 你好", "AI 助手", "你好"},
	} {
		if got := withoutMention(tc.text, tc.name); got != tc.want {
			t.Errorf("%q, called %q: %q, want %q", tc.text, tc.name, got, tc.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, in := range []string{
		`{"msgid":"1","chattype":"group","chatid":"r","from":{"userid":"u"},"msgtype":"text","text":{"content":"@x /stop"},"quote":{"msgtype":"mixed"}}`,
		`{"msgid":"1","from":{"userid":"u"},"msgtype":"mixed","mixed":{"msg_item":[{"msgtype":"image","image":{"url":"http://x","aeskey":"k"}}]}}`,
		`{"from":{"userid":"u"},"msgtype":"stream","stream":{"id":"s"}}`, `{"from":{"userid":"u"},"msgtype":"event","event":{"eventtype":"enter_chat"}}`,
		`{"msgtype":null}`, `[]`, `{"from":"x"}`,
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, plain string) {
		var in incoming
		if json.Unmarshal([]byte(plain), &in) != nil || in.check() != nil || in.Type == typeStream || in.Type == typeEvent {
			return
		}
		b := &aiBot{tenant: "acme", name: "bot", now: time.Now}
		m, err := b.message(&in, address{})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Images) > chat.MaxImages || m.ID == "" || m.User == "" || m.Conversation.ID == "" {
			t.Errorf("%+v", m)
		}
		if raw, err := json.Marshal(m); err != nil || !json.Valid(raw) {
			t.Error(err)
		}
	})
}
