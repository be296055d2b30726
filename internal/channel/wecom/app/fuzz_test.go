package app_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/channel/wecom/app"
	"parley/internal/chat"
)

// fuzzed is the application of the platform's sample: every process that fuzzes must start from the same delivery.
func fuzzed(f *testing.F) *app.App {
	s := settings()
	s.Fields["agent_id"] = 218
	a, err := app.New(s, channel.Deps{Origins: channel.Origins{WeCom: "https://qyapi.weixin.qq.com"}})
	if err != nil || len(s.Faults) > 0 {
		f.Fatal(err, s.Faults)
	}
	return a
}

// FuzzCallback changes a true delivery as a stranger can, in its parameters and in its body. Nothing opens but what the platform signed, and that
// says what the platform said.
func FuzzCallback(f *testing.F) {
	a := fuzzed(f)
	query, body, sent := sampleQuery(), []byte(sampleBody), time.Unix(1409659813, 0)
	f.Add(query.Encode(), body, int64(0))
	f.Add(query.Encode(), body, int64(25*3600))
	f.Add(query.Encode(), body, int64(-3600))
	f.Add(strings.ReplaceAll(query.Encode(), "timestamp=", "timestamp=0"), body, int64(0))
	f.Add(query.Encode()+"&timestamp=1", body, int64(0))
	f.Add("timestamp=9223372036854775807&nonce=&msg_signature=", body, int64(0))
	f.Add("", []byte("<xml><Encrypt></Encrypt></xml>"), int64(0))
	f.Fuzz(func(t *testing.T, rawQuery string, posted []byte, late int64) {
		q, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		late %= 1 << 32
		opened, err := a.Open(t.Context(), channel.Delivery{Query: q, Body: posted, Now: sent.Add(time.Duration(late) * time.Second)})
		if err != nil {
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind.HTTPStatus() >= 500 {
				t.Fatalf("a stranger's mistake is ours: %v", err)
			}
			return
		}
		var was, is wecom.Callback
		if wecom.DecodeXML(body, &was) != nil || wecom.DecodeXML(posted, &is) != nil || strings.TrimSpace(is.Encrypt) != was.Encrypt {
			t.Fatalf("a ciphertext that nobody sealed: %q", posted)
		}
		for _, name := range []string{"timestamp", "nonce", "msg_signature"} {
			if q.Get(name) != query.Get(name) {
				t.Fatalf("%s is %q, was %q", name, q.Get(name), query.Get(name))
			}
		}
		if late > 24*3600 || late < -600 {
			t.Fatalf("opened %d s late", late)
		}
		if m := opened.Messages; len(m) != 1 || m[0].Text != "hello" || m[0].User != "mycreate" || m[0].ID != "4561255354251345929" {
			t.Fatalf("opened %+v", m)
		}
	})
}

// FuzzSigned is what somebody sends who has the token and the key: any timestamp, any document. What opens is one message within bounds, of one
// person, and its id is one of this channel's.
func FuzzSigned(f *testing.F) {
	a := fuzzed(f)
	e, err := wecom.NewEnvelope(ref.CorpID, []chat.Secret{chat.NewSecret(testToken)}, []chat.Secret{chat.NewSecret(testAESKey)})
	if err != nil {
		f.Fatal(err)
	}
	now := fmt.Sprint(noon.Unix())
	doc := func(inner string) []byte { return []byte("<xml><AgentID>218</AgentID>" + inner + "</xml>") }
	f.Add(now, "1", doc("<FromUserName>zhang</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>hi</Content><MsgId>1</MsgId>"))
	f.Add(now, "1", doc("<FromUserName>a|b</FromUserName><MsgType>text</MsgType>"))
	f.Add(now, "1", doc("<FromUserName>@all</FromUserName><MsgType>event</MsgType><Event>enter_agent</Event>"))
	f.Add(now, "1", doc("<FromUserName>z</FromUserName><CreateTime>-9223372036854775808</CreateTime><MsgType>event</MsgType><Event>subscribe</Event><EventKey>x</EventKey>"))
	f.Add("+"+now, "", doc("<FromUserName>z</FromUserName><MsgType>image</MsgType>"))
	f.Add("99999999999", "-", doc(""))
	f.Add("-9223372036854775808", "", []byte("<!DOCTYPE x>"))
	f.Fuzz(func(t *testing.T, timestamp, nonce string, inner []byte) {
		s := e.Seal(inner, timestamp, nonce)
		body, err := xml.Marshal(struct {
			XMLName xml.Name `xml:"xml"`
			Encrypt string
		}{Encrypt: s.Encrypt})
		if err != nil {
			t.Fatal(err)
		}
		q := url.Values{"timestamp": {timestamp}, "nonce": {nonce}, "msg_signature": {s.Signature}}
		opened, err := a.Open(t.Context(), channel.Delivery{Query: q, Body: body, Now: noon})
		if err != nil {
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind.HTTPStatus() >= 500 {
				t.Fatalf("the sender's mistake is ours: %v", err)
			}
			return
		}
		for _, m := range opened.Messages {
			if m.User == "" || len(m.User) > 256 || strings.ContainsAny(m.User[:1], "@") || strings.Contains(m.User, "|") {
				t.Errorf("user %q", m.User)
			}
			if m.ID == "" || len(m.ID) > 2048 || m.Conversation != (chat.ConversationKey{Tenant: "acme", Channel: "app", ID: m.User}) {
				t.Errorf("message %+v", m)
			}
		}
	})
}
