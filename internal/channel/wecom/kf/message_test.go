package kf_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
	"parley/internal/sim/wecom"
	sim "parley/internal/sim/wecom/kf"
)

// page makes the platform's next answer hold these entries.
func (w *world) page(t *testing.T, entries ...map[string]any) {
	t.Helper()
	for i, e := range entries {
		for field, value := range map[string]any{"msgid": fmt.Sprint("m", i), "send_time": w.now().Unix(), "open_kfid": account} {
			if _, ok := e[field]; !ok {
				e[field] = value
			}
		}
	}
	body, err := json.Marshal(map[string]any{"errcode": 0, "errmsg": "ok", "next_cursor": "x", "has_more": 0, "msg_list": entries})
	if err != nil {
		t.Fatal(err)
	}
	w.platform.Inject(wecom.Fault{API: "kf/sync_msg", Body: string(body)})
}

func TestKinds(t *testing.T) {
	customer := func(kind string, more map[string]any) map[string]any {
		e := map[string]any{"origin": 3, "external_userid": "wmZhang", "msgtype": kind}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	event := func(kind string, more map[string]any) map[string]any {
		e := map[string]any{"event_type": kind, "open_kfid": account, "external_userid": "wmZhang"}
		for k, v := range more {
			e[k] = v
		}
		return map[string]any{"origin": 4, "msgtype": "event", "event": e}
	}
	image := json.RawMessage(`{"media_id":"MEDIA"}`)
	for _, tc := range []struct {
		name  string
		entry map[string]any
		want  *chat.Message // nil: nothing to answer
	}{
		{"text", customer("text", map[string]any{"text": map[string]any{"content": "你好", "menu_id": "1"}}), &chat.Message{Kind: chat.KindText, Text: "你好"}},
		{"image", customer("image", map[string]any{"image": map[string]any{"media_id": "MEDIA"}}), &chat.Message{Kind: chat.KindText, Images: []chat.Image{{Ref: image}}}},
		{"an image without an id", customer("image", nil), &chat.Message{Kind: chat.KindUnsupported, Text: "image"}},
		{"voice", customer("voice", map[string]any{"voice": map[string]any{"media_id": "V"}}), &chat.Message{Kind: chat.KindUnsupported, Text: "voice"}},
		{"location", customer("location", map[string]any{"location": map[string]any{"latitude": 23.1}}), &chat.Message{Kind: chat.KindUnsupported, Text: "location"}},
		{"what comes next year", customer("hologram", nil), &chat.Message{Kind: chat.KindUnsupported, Text: "hologram"}},
		{"a servicer's", map[string]any{"origin": 5, "external_userid": "wmZhang", "msgtype": "text", "text": map[string]any{"content": "我来"}}, nil},
		{"entered, to be greeted", event("enter_session", map[string]any{"welcome_code": "CODE"}), &chat.Message{Kind: chat.KindWelcome}},
		{"entered, greeted before", event("enter_session", nil), nil},
		{"recalled", event("user_recall_msg", map[string]any{"recall_msgid": "m"}), nil},
		{"not delivered", event("msg_send_fail", map[string]any{"fail_msgid": "m", "fail_type": 10}), nil},
		{"a servicer's status", map[string]any{"origin": 4, "msgtype": "event", "event": map[string]any{"event_type": "servicer_status_change", "status": 1}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			w.known(t)
			w.page(t, tc.entry)
			w.ringAndFetch(t, w.channel(t), "")
			var want []chat.Message
			if tc.want != nil {
				want = []chat.Message{*tc.want}
			}
			got := w.inbox.Messages()
			for i := range got {
				got[i] = chat.Message{Kind: got[i].Kind, Text: got[i].Text, Images: got[i].Images}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// known lets the platform know zhang without telling anybody.
func (w *world) known(t *testing.T) {
	t.Helper()
	if _, err := w.Whisper(account, "wmZhang", "早", w.now().Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func TestAWelcomeIsGivenWhileThePlatformTakesIt(t *testing.T) {
	c := &clock{now: time.Now()}
	w := newWorld(t, sim.Options{Now: c.Now})
	k := w.channel(t)
	if _, err := w.Enter(t.Context(), account, "wmZhang"); err == nil {
		t.Fatal("there is no callback, and it was acknowledged")
	}
	w.ringAndFetch(t, k, "")
	greeting := w.inbox.Messages()[0]
	parts, err := k.Parts(greeting, strings.Repeat("欢迎。", 1000), 1)
	if err != nil || len(parts) != 1 {
		t.Fatalf("%d parts, %v; the platform takes one", len(parts), err)
	}
	if err := k.Send(t.Context(), greeting, parts[0]); err != nil {
		t.Fatal(err)
	}
	if shown := w.Shown(account, "wmZhang"); len(shown) != 1 || !shown[0].Welcome {
		t.Errorf("shown %+v", shown)
	}
	if err := k.Send(t.Context(), greeting, parts[0]); err == nil || chat.KindOf(err).Retryable() {
		t.Errorf("a welcome was given twice, or is tried again: %v", err)
	}
	if _, err := w.Enter(t.Context(), account, "wmLi"); err == nil {
		t.Fatal("there is no callback, and it was acknowledged")
	}
	c.add(21 * time.Second)
	w.ringAndFetch(t, k, "")
	if n := len(w.inbox.Messages()); n != 1 {
		t.Errorf("%d messages: a welcome that the platform takes no more was made", n)
	}
}

func TestAPictureIsFetched(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...)
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	_, _ = w.Show(t.Context(), account, "wmZhang", "image/png", png) // there is no callback
	w.ringAndFetch(t, k, "")
	m := w.inbox.Messages()[0]
	pictures, err := k.Fetch(t.Context(), m)
	if diff := cmp.Diff([]chat.Picture{{Type: "image/png", Data: png}}, pictures); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestConversations: no two people, or accounts, share one.
func TestConversations(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	for _, user := range []string{"wmA", "wmB", "wmA_B"} {
		if _, err := w.Whisper(account, user, user, w.now()); err != nil {
			t.Fatal(err)
		}
	}
	w.ringAndFetch(t, k, "")
	seen := map[string]string{}
	for _, m := range w.inbox.Messages() {
		if who, taken := seen[m.Conversation.ID]; taken {
			t.Errorf("%s and %s share %s", who, m.User, m.Conversation.ID)
		}
		seen[m.Conversation.ID] = m.User
	}
	if len(seen) != 3 {
		t.Errorf("%d conversations", len(seen))
	}
}

func TestStrangersOpenNothing(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	now := time.Now()
	change := func(f func(*channel.Delivery)) channel.Delivery {
		d := w.delivery(t, theApp(), now)
		f(&d)
		return d
	}
	misdirected := theApp()
	misdirected.CorpID = "wwother"
	document := func(doc string) channel.Delivery {
		query, body, err := wecom.SealDocument(theApp(), doc, now)
		if err != nil {
			t.Fatal(err)
		}
		return channel.Delivery{Query: query, Body: body, Now: now}
	}
	for name, tc := range map[string]struct {
		delivery channel.Delivery
		kind     chat.Kind
	}{
		"no signature":  {change(func(d *channel.Delivery) { d.Query.Del("msg_signature") }), chat.Unauthenticated},
		"another nonce": {change(func(d *channel.Delivery) { d.Query.Set("nonce", "1") }), chat.Unauthenticated},
		"changed": {change(func(d *channel.Delivery) {
			d.Body = []byte(strings.Replace(string(d.Body), "<Encrypt><![CDATA[", "<Encrypt><![CDATA[A", 1))
		}), chat.Unauthenticated},
		"no XML":        {change(func(d *channel.Delivery) { d.Body = []byte("{}") }), chat.Invalid},
		"stale":         {change(func(d *channel.Delivery) { d.Now = now.Add(25 * time.Hour) }), chat.Invalid},
		"another corp":  {w.delivery(t, misdirected, now), chat.Forbidden},
		"no kind":       {document("<xml></xml>"), chat.Invalid},
		"no XML inside": {document("hello"), chat.Invalid},
		"no account":    {document("<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>t</Token></xml>"), chat.Invalid},
		"a path":        {document("<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><OpenKfId>../x</OpenKfId></xml>"), chat.Invalid},
		"a long token":  {document("<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event><OpenKfId>wk1</OpenKfId><Token>" + strings.Repeat("t", 600) + "</Token></xml>"), chat.Invalid},
	} {
		opened, err := k.Open(t.Context(), tc.delivery)
		if chat.KindOf(err) != tc.kind || err == nil || len(opened.Messages) > 0 {
			t.Errorf("%s: %+v, %v; want %v", name, opened, err, tc.kind)
		}
	}
	if kf.Pending(t.Context(), k, account) {
		t.Error("a stranger made something be fetched")
	}
	if opened, err := k.Open(t.Context(), document("<xml><MsgType>event</MsgType><Event>change_contact</Event></xml>")); err != nil || len(opened.Messages) > 0 {
		t.Errorf("another product's event: %+v, %v", opened, err)
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t, sim.Options{})
	for _, tc := range []struct {
		field string
		value any
		says  string
	}{
		{"aes_key", "short", "aes_key"},
		{"open_kfids", "wk1 ../etc", "open_kfids"},
		{"corp_id", nil, "corp_id"},
		{"secret", nil, "secret"},
	} {
		s := settings()
		if s.Fields[tc.field] = tc.value; tc.value == nil {
			delete(s.Fields, tc.field)
		}
		_, err := kf.New(s, w.deps())
		if said := fmt.Sprint(err, s.Faults); !strings.Contains(said, tc.says) {
			t.Errorf("%s = %v: %s", tc.field, tc.value, said)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name  string
		set   func(w *world, s map[string]any)
		kind  chat.Kind
		wants []string // none: it works
	}{
		{"works", func(*world, map[string]any) {}, 0, nil},
		{"works for what is named", func(_ *world, s map[string]any) { s["open_kfids"] = other }, 0, nil},
		{"a wrong secret", func(_ *world, s map[string]any) { s["secret"] = "wrong" }, chat.Unauthenticated, []string{"40001", "Secret"}},
		{"a strange address", func(w *world, _ map[string]any) {
			w.platform.Inject(wecom.Fault{API: "kf/account/list", Code: 60020, Message: "not allow to access from your ip, from ip: 203.0.113.7"})
		}, chat.Forbidden, []string{"203.0.113.7", "企业可信IP"}},
		{"an account that it may not serve", func(w *world, _ map[string]any) {
			w.AddAccount(sim.Account{Ref: ref, OpenKFID: account, Name: "售后", Unmanaged: true})
		}, chat.Forbidden, []string{account, "售后", "manage"}},
		{"an account that is not there", func(_ *world, s map[string]any) { s["open_kfids"] = "wkNobody " + other }, chat.Forbidden, []string{"wkNobody", account}},
		{"not open to the API", func(w *world, _ map[string]any) {
			w.platform.Inject(wecom.Fault{API: "kf/account/list", Code: 95017, Message: "api not open"})
		}, chat.Forbidden, []string{"95017", "可调用接口的应用"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			s := settings()
			tc.set(w, s.Fields)
			d := w.deps()
			d.Tokens, d.Locks, d.Memo = nil, nil, nil // a command has no Redis
			k, err := kf.New(s, d)
			if err != nil {
				t.Fatal(err)
			}
			err = k.Check(t.Context())
			if len(tc.wants) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != tc.kind {
				t.Fatalf("%v, want kind %v", err, tc.kind)
			}
			for _, want := range tc.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}
