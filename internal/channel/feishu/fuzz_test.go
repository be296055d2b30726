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

// fuzzed is a bot whose platform nobody reaches, but whose own id is known.
func fuzzed(f *testing.F) *Callback {
	cache := channeltest.NewCache()
	c, err := New(settings(nil), channel.Deps{
		Origins: channel.Origins{Feishu: "http://127.0.0.1:1"}, HTTP: &http.Client{Timeout: time.Millisecond}, Memo: cache, Tokens: cache, Locks: cache, Limits: cache,
		Now: time.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	cb, _ := c.(*Callback)
	cb.self.id = testBot
	return cb
}

// FuzzCallback changes a true delivery as a stranger can. Nothing opens but what the platform signed.
func FuzzCallback(f *testing.F) {
	c := fuzzed(f)
	// Every process that fuzzes must start from the same delivery.
	const timestamp, nonce = "1795348800", "1"
	key := c.keys[0]
	plain := document(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "hello"})
	body, _ := json.Marshal(map[string]string{"encrypt": sealFixed(key, plain)})
	signature := signatureOf(timestamp, nonce, body)
	f.Add(timestamp, nonce, signature, body)
	f.Add("0"+timestamp, nonce, signature, body)
	f.Add("", "", "", []byte(`{"encrypt":""}`))
	f.Add(timestamp, nonce, strings.ToUpper(signature), body)
	f.Fuzz(func(t *testing.T, ts, n, sign string, posted []byte) {
		opened, err := c.Open(t.Context(), channel.Delivery{
			Header: http.Header{headerTimestamp: {ts}, headerNonce: {n}, headerSignature: {sign}}, Body: posted, Now: time.Unix(1795348800, 0),
		})
		if err != nil {
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind.HTTPStatus() >= 500 {
				t.Fatalf("a stranger's mistake is ours: %v", err)
			}
			return
		}
		if ts+n != timestamp+nonce || sign != signature || string(posted) != string(body) {
			t.Fatalf("opened what nobody signed: %q %q %q %q", ts, n, sign, posted)
		}
		if m := opened.Messages; len(m) != 1 || m[0].Text != "hello" || m[0].ID != "om_1" {
			t.Fatalf("opened %+v", m)
		}
	})
}

// FuzzEvent is what somebody sends who has the key. What comes of it is at most one message within bounds.
func FuzzEvent(f *testing.F) {
	c := fuzzed(f)
	f.Add(document(theApp(), sim.Message{ID: "om_1", User: "ou_z", Text: "@_user_1 好", Group: "oc_g", At: true}))
	f.Add(document(theApp(), sim.Message{ID: "om_1", User: "ou_z", Type: "post", Content: `{"zh_cn":{"title":"x","content":[[{"tag":"img","image_key":"k"}]]}}`}))
	f.Add(document(theApp(), sim.Message{User: "ou_z", Event: sim.EventAdded}))
	f.Add([]byte(`{"uuid":"u","token":"verification-token","event":{"type":"p2p_chat_create","app_id":"cli_a1b2c3","chat_id":"c","operator":{"open_id":"o"}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var e event
		if decode(doc, &e) != nil {
			return
		}
		m, ok, err := c.message(t.Context(), e)
		if err != nil {
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind.HTTPStatus() >= 500 {
				t.Fatalf("the sender's mistake is ours: %v", err)
			}
			return
		}
		to := addressOf(m)
		if ok && (m.ID == "" || len(m.ID) > maxID+10 || !isID(m.User) || !isID(to.Chat) || to.Message != "" && !isID(to.Message) ||
			len(m.Images) > chat.MaxImages || m.Conversation.ID == "") {
			t.Errorf("message %+v to %+v", m, to)
		}
	})
}
