package dingtalk

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

const group = "cidG0001=="

func TestMessages(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	picture := []byte("\x89PNG")
	for name, tc := range map[string]struct {
		said sim.Message
		want chat.Message
		pics int
	}{
		"text":            {sim.Message{User: "zhang", Text: "你好\n世界"}, chat.Message{Kind: chat.KindText, Text: "你好\n世界"}, 0},
		"text in a group": {sim.Message{User: "zhang", Group: group, Text: "你好"}, chat.Message{Kind: chat.KindText, Text: "你好"}, 0},
		"a mere mention":  {sim.Message{User: "zhang", Group: group}, chat.Message{Kind: chat.KindText}, 0},
		"rich text": {
			sim.Message{User: "zhang", Type: "richText", Text: "这是什么？", Pictures: [][]byte{picture, picture}},
			chat.Message{Kind: chat.KindText, Text: "这是什么？"}, 2,
		},
		"a picture": {sim.Message{User: "zhang", Type: "picture", Pictures: [][]byte{picture}}, chat.Message{Kind: chat.KindText}, 1},
		"more than looked at": {
			sim.Message{User: "zhang", Type: "richText", Text: "x", Pictures: [][]byte{picture, picture, picture, picture, picture, picture}},
			chat.Message{Kind: chat.KindText, Text: "x"}, chat.MaxImages,
		},
		"speech":                {sim.Message{User: "zhang", Type: "audio", Text: "今天天气"}, chat.Message{Kind: chat.KindText, Text: "今天天气"}, 0},
		"speech not understood": {sim.Message{User: "zhang", Type: "audio"}, chat.Message{Kind: chat.KindUnsupported, Text: "audio"}, 0},
		"a file":                {sim.Message{User: "zhang", Type: "file"}, chat.Message{Kind: chat.KindUnsupported, Text: "file"}, 0},
		"of a kind to come":     {sim.Message{User: "zhang", Type: "hologram", Content: "x"}, chat.Message{Kind: chat.KindUnsupported, Text: "hologram"}, 0},
		"content of another type": {
			sim.Message{User: "zhang", Type: "hologram", Content: map[string]any{"richText": 7}}, chat.Message{Kind: chat.KindUnsupported, Text: "hologram"}, 0,
		},
		"a quoted text": {
			sim.Message{User: "zhang", Text: "为什么？", Quote: &sim.Quote{Type: "text", Text: "天是蓝的"}},
			chat.Message{Kind: chat.KindText, Text: "为什么？", Quote: "天是蓝的"}, 0,
		},
		"a quoted rich text": {
			sim.Message{User: "zhang", Text: "为什么？", Quote: &sim.Quote{Type: "richText", Text: "看图", Pictures: [][]byte{picture}}},
			chat.Message{Kind: chat.KindText, Text: "为什么？", Quote: "看图"}, 1,
		},
		"a quoted picture": {
			sim.Message{User: "zhang", Text: "这是谁？", Quote: &sim.Quote{Type: "picture", Pictures: [][]byte{picture}}},
			chat.Message{Kind: chat.KindText, Text: "这是谁？"}, 1,
		},
		"a quoted file": {
			sim.Message{User: "zhang", Text: "总结", Quote: &sim.Quote{Type: "file", Text: "报告.pdf"}},
			chat.Message{Kind: chat.KindText, Text: "总结", Quote: "报告.pdf"}, 0,
		},
		"a quoted card": {
			sim.Message{User: "zhang", Text: "再说", Quote: &sim.Quote{Type: "interactiveCard", Text: "上一个回答"}},
			chat.Message{Kind: chat.KindText, Text: "再说", Quote: "上一个回答"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.said.ID, tc.said.At = "msg1", time.UnixMilli(1700000000123)
			tc.want.ID, tc.want.User, tc.want.SentAt = "msg1", "zhang", time.UnixMilli(1700000000123).UTC()
			tc.want.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "ding", ID: "p/zhang"}
			if tc.said.Group != "" {
				tc.want.Conversation.ID = "m/cidG0001%3D%3D/zhang"
			}
			got := s.hear(c, tc.said)
			if len(got.Images) != tc.pics {
				t.Errorf("%d pictures, want %d", len(got.Images), tc.pics)
			}
			if d := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(chat.Message{}, "Address", "Images")); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// Whose conversation a message belongs to, and to whom a reply goes.
func TestPlaces(t *testing.T) {
	s := newStage(t, sim.Options{})
	for name, tc := range map[string]struct {
		setting string
		said    sim.Message
		id      string
		want    address
	}{
		"single":            {"group", sim.Message{User: "zhang"}, "p/zhang", address{Staff: "zhang", Sender: "$:LWCP_v1:$zhang"}},
		"single, outside":   {"", sim.Message{User: "guest", Outside: true}, "p/%24%3ALWCP_v1%3A%24guest", address{Sender: "$:LWCP_v1:$guest"}},
		"member":            {"member", sim.Message{User: "zhang", Group: "g", Nick: "@ 张三"}, "m/g/zhang", address{Group: "g", Staff: "zhang", Sender: "$:LWCP_v1:$zhang", Nick: "张三"}},
		"the group's":       {"group", sim.Message{User: "zhang", Group: "g"}, "g/g", address{Group: "g", Staff: "zhang", Sender: "$:LWCP_v1:$zhang"}},
		"no threads, group": {"thread", sim.Message{User: "zhang", Group: "g"}, "g/g", address{Group: "g", Staff: "zhang", Sender: "$:LWCP_v1:$zhang"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := settings(nil)
			set.GroupBy = tc.setting
			c, err := New(set, s.deps())
			if err != nil {
				t.Fatal(err)
			}
			tc.said.Text, tc.said.NoWebhook = "x", true
			m := s.hear(c, tc.said)
			if m.Conversation.ID != tc.id {
				t.Errorf("conversation %s, want %s", m.Conversation.ID, tc.id)
			}
			if d := cmp.Diff(tc.want, addressOf(m)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestRefusedMessages(t *testing.T) {
	c := newRobot(t, newStage(t, sim.Options{}).deps(), map[string]any{"robot_code": "robot1"}).(*Callback)
	c.webhooks = []string{"https://oapi.dingtalk.com", "https://api.dingtalk.com:8443"}
	long := strings.Repeat("x", maxID+1)
	for name, tc := range map[string]struct {
		change map[string]any
		want   chat.Kind
		says   string
	}{
		"no msgId":            {map[string]any{"msgId": nil}, chat.Invalid, "msgId"},
		"a long msgId":        {map[string]any{"msgId": long}, chat.Invalid, "msgId"},
		"no sender":           {map[string]any{"senderId": ""}, chat.Invalid, "senderId"},
		"a long staff id":     {map[string]any{"senderStaffId": long}, chat.Invalid, "senderStaffId"},
		"no conversation":     {map[string]any{"conversationId": nil}, chat.Invalid, "conversationId"},
		"no kind of chat":     {map[string]any{"conversationType": "3"}, chat.Invalid, "conversationType"},
		"no msgtype":          {map[string]any{"msgtype": nil}, chat.Invalid, "msgtype"},
		"a number for a text": {map[string]any{"msgId": 7}, chat.Invalid, "msgId has the wrong type"},
		"another robot":       {map[string]any{"robotCode": "robot2"}, chat.Forbidden, "robot_code robot1"},
		"a webhook elsewhere": {map[string]any{"sessionWebhook": "https://evil.example/robot/sendBySession?session=1"}, chat.Forbidden, "dingtalk_webhooks"},
		"one in clear text":   {map[string]any{"sessionWebhook": "http://oapi.dingtalk.com/robot/sendBySession?session=1"}, chat.Forbidden, "dingtalk_webhooks"},
		"one at another port": {map[string]any{"sessionWebhook": "https://oapi.dingtalk.com:444/robot"}, chat.Forbidden, "dingtalk_webhooks"},
		"one with a user":     {map[string]any{"sessionWebhook": "https://oapi.dingtalk.com@evil.example/"}, chat.Forbidden, "dingtalk_webhooks"},
		"one that is no host": {map[string]any{"sessionWebhook": "https:oapi.dingtalk.com/"}, chat.Forbidden, "dingtalk_webhooks"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := map[string]any{
				"msgId": "1", "msgtype": "text", "conversationId": "c", "conversationType": "1", "senderId": "s", "senderStaffId": "zhang", "robotCode": "robot1",
				"sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=1", "text": map[string]any{"content": "a secret text"},
			}
			body := func() []byte { b, _ := json.Marshal(doc); return b }
			if _, ok, err := c.message(body()); !ok || err != nil {
				t.Fatalf("the message before the change: %v", err)
			}
			for field, value := range tc.change {
				doc[field] = value
			}
			_, ok, err := c.message(body())
			if ok || chat.KindOf(err) != tc.want || !strings.Contains(fmt.Sprint(err), tc.says) || strings.Contains(fmt.Sprint(err), "a secret text") {
				t.Errorf("%v (%v), want %v that says %q", err, ok, tc.want, tc.says)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	origins := []string{"https://oapi.dingtalk.com", "http://127.0.0.1:8080"}
	for address, want := range map[string]bool{
		"https://oapi.dingtalk.com/robot/sendBySession?session=1": true,
		"https://oapi.dingtalk.com:443/x":                         true,
		"HTTPS://OAPI.DingTalk.com/x":                             true,
		"http://127.0.0.1:8080/x":                                 true,
		"http://127.0.0.1/x":                                      false,
		"https://127.0.0.1:8080/x":                                false,
		"https://oapi.dingtalk.com.evil.example/x":                false,
		"https://oapi.dingtalk.com@evil.example/x":                false,
		"https://evil.example#https://oapi.dingtalk.com":          false,
		"https://u@oapi.dingtalk.com/x":                           false,
		"//oapi.dingtalk.com/x":                                   false,
		"oapi.dingtalk.com":                                       false,
		"https://oapi.dingtalk.com\\@evil.example/":               false,
		"": false,
	} {
		if got := within(address, origins); got != want {
			t.Errorf("within(%q) = %v", address, got)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		change map[string]any
		faults string
		err    string
	}{
		"all":           {map[string]any{"mode": "stream", "robot_code": "r", "card_template": "t", "card_key": "k", "window": "10m"}, "", ""},
		"a mode":        {map[string]any{"mode": "socket"}, `mode: "socket" is not a mode`, ""},
		"a window":      {map[string]any{"window": "2h"}, `window: "2h" is no time above 0 and up to 1h`, ""},
		"no window":     {map[string]any{"window": "soon"}, `window: "soon"`, ""},
		"an old secret": {map[string]any{"app_secret": []string{"new", "old"}}, "", ""},
		"no secret":     {map[string]any{"app_secret": []string{}}, "", "app_secret: is missing"},
		"an empty one":  {map[string]any{"app_secret": ""}, "", "app_secret: is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(tc.change)
			c, err := New(s, channel.Deps{Now: time.Now})
			if got := strings.Join(s.Faults, "\n"); !strings.Contains(got, tc.faults) || tc.faults == "" && got != "" {
				t.Errorf("faults %q, want %q", got, tc.faults)
			}
			if fmt.Sprint(err) != tc.err && !strings.Contains(fmt.Sprint(err), tc.err) || (err == nil) != (tc.err == "") || (c == nil) != (err != nil) {
				t.Errorf("%v, %v, want %q", c, err, tc.err)
			}
			if left := s.Unread(); len(left) > 0 {
				t.Errorf("not read: %v", left)
			}
		})
	}
}
