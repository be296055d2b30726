package kf_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/channel/wecom/kf"
	"parley/internal/chat"
	"parley/internal/sim/wecom"
	sim "parley/internal/sim/wecom/kf"
)

func toZhang() chat.Message {
	return chat.Message{
		ID: "msg_1", User: "wmZhang", Conversation: chat.ConversationKey{Tenant: "acme", Channel: "kf", ID: "p/x"},
		Address: json.RawMessage(`{"open_kfid":"` + account + `"}`), SentAt: time.Now(),
	}
}

// sent is a part as the platform reads it.
type sent struct {
	ToUser   string `json:"touser"`
	OpenKFID string `json:"open_kfid"`
	MsgID    string `json:"msgid"`
	Text     struct{ Content string }
}

func read(t *testing.T, p chat.Part) (s sent) {
	t.Helper()
	var outer struct{ Body json.RawMessage }
	if err := json.Unmarshal(p, &outer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(outer.Body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func suite() channeltest.Suite {
	return channeltest.Suite{
		New: func(t *testing.T, d channel.Deps) channel.Channel {
			k, err := kf.New(settings(), d)
			if err != nil {
				t.Fatal(err)
			}
			return k
		},
		Origin:  func(d *channel.Deps, address string) { d.Origins.WeCom = address },
		Secrets: []string{testSecret, testToken, testAESKey, "the-access-token"},
		To:      toZhang(),
		Text:    func(t *testing.T, p chat.Part) string { return read(t, p).Text.Content },
		Limit:   2048, MaxParts: 5, Swallows: true,
	}
}

// TestConformance meets the suite's bad platforms with the call that gets the token, TestConformanceWarm with the sending itself.
func TestConformance(t *testing.T) { channeltest.Run(t, suite()) }

func TestConformanceWarm(t *testing.T) {
	s := suite()
	cold := s.New
	s.New = func(t *testing.T, d channel.Deps) channel.Channel {
		cache := channeltest.NewCache()
		d.Tokens = always{cache}
		return cold(t, d)
	}
	channeltest.Run(t, s)
}

func TestMessageIDs(t *testing.T) {
	k := newWorld(t, sim.Options{}).channel(t)
	form := regexp.MustCompile(`^[0-9a-zA-Z_-]{1,32}$`)
	seen := map[string]string{}
	for _, id := range []string{"msg_1", "msg_2", strings.Repeat("x", 128)} {
		for unique := range int64(3) {
			m := toZhang()
			m.ID = id
			parts, err := k.Parts(m, strings.Repeat("很长的回答。", 400), unique)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range parts {
				s, what := read(t, p), fmt.Sprint(id, unique, i)
				if !form.MatchString(s.MsgID) || seen[s.MsgID] != "" || s.ToUser != "wmZhang" || s.OpenKFID != account {
					t.Errorf("%s: %+v, taken by %q", what, s, seen[s.MsgID])
				}
				seen[s.MsgID] = what
			}
		}
	}
}

func send(t *testing.T, k *kf.KF, m chat.Message, text string, unique int64) error {
	t.Helper()
	parts, err := k.Parts(m, text, unique)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := k.Send(t.Context(), m, p); err != nil {
			return err
		}
	}
	return nil
}

// TestFiveMessages: the sixth waits, without asking the platform again, until the customer writes.
func TestFiveMessages(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "问")
	m := w.inbox.Messages()[0]
	for i := range 5 {
		if err := send(t, k, m, "答", int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	for try := range 3 {
		err := send(t, k, m, "多了", 9)
		e, ok := errors.AsType[*chat.Error](err)
		if !ok || e.Kind != chat.Overloaded || e.RetryAfter < 5*time.Second || e.Maybe {
			t.Fatalf("try %d: %#v", try, err)
		}
	}
	if n := w.Stats().Refused[95001]; n != 1 {
		t.Errorf("the platform was asked %d times, want once", n)
	}
	w.ringAndFetch(t, k, "还在吗")
	if err := send(t, k, m, "多了", 9); err != nil {
		t.Error(err)
	}
	if n := len(w.Shown(account, "wmZhang")); n != 6 {
		t.Errorf("shown %d messages", n)
	}
}

// TestWaitingIsTriedSeldom: a customer who stays away does not make Parley try each second for a day.
func TestWaitingIsTriedSeldom(t *testing.T) {
	c := &clock{now: time.Now()}
	w := newWorld(t, sim.Options{Now: c.Now})
	k := w.channel(t)
	w.ringAndFetch(t, k, "问")
	m := w.inbox.Messages()[0]
	w.platform.Inject(wecom.Fault{API: "kf/send_msg", Code: 95001, Message: "out of limit", Times: -1})
	tries := 0
	for end := c.Now().Add(24 * time.Hour); c.Now().Before(end); tries++ {
		e, ok := errors.AsType[*chat.Error](send(t, k, m, "答", 1))
		if !ok {
			t.Fatal("sent")
		}
		c.add(e.RetryAfter)
	}
	if calls := w.platform.Stats().Calls["kf/send_msg"]; tries > 800 || calls > 1 {
		t.Errorf("%d tries, %d calls in a day", tries, calls)
	}
}

func TestALongAnswerIsCut(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "长篇")
	m := w.inbox.Messages()[0]
	var long strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&long, "第%d句。", i)
	}
	if err := send(t, k, m, long.String(), 1); err != nil {
		t.Fatal(err)
	}
	shown := w.Shown(account, "wmZhang")
	last := shown[len(shown)-1].Content
	if n := w.count(t, "parley_wecomkf_cut_replies_total", ""); n != 1 {
		t.Errorf("counted %v cut replies", n)
	}
	if len(shown) != 5 || len(last) > 2048 || !strings.Contains(last, "继续") || !strings.Contains(last, "AI") {
		t.Fatalf("%d messages, the last: %s", len(shown), last)
	}
	end := regexp.MustCompile(`第\d+句。`).FindAllString(last, -1)
	w.ringAndFetch(t, k, "继续。")
	w.ringAndFetch(t, k, "继续")
	got := texts(w.inbox.Messages())
	if !strings.Contains(got[1], end[len(end)-1]) || !strings.Contains(got[1], "不要重复") {
		t.Errorf("the rest is asked for with %q; the customer read up to %s", got[1], end[len(end)-1])
	}
	if got[2] != "继续" {
		t.Errorf("asked again: %q", got[2])
	}
}

func TestGoingOnAfterSomethingElse(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "长篇")
	if err := send(t, k, w.inbox.Messages()[0], strings.Repeat("很长的回答。", 3000), 1); err != nil {
		t.Fatal(err)
	}
	w.ringAndFetch(t, k, "换个话题")
	w.ringAndFetch(t, k, "继续")
	if got := texts(w.inbox.Messages()); got[2] != "继续" {
		t.Errorf("the customer goes on with another subject, and is taken for %q", got[2])
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name  string
		set   func(w *world, c *clock)
		kind  chat.Kind
		retry bool
	}{
		{"a human's session", func(w *world, _ *clock) { _, _ = w.Turn(t.Context(), account, "wmZhang", sim.StateHuman) }, chat.NotFound, false},
		{"48 hours later", func(_ *world, c *clock) { c.add(49 * time.Hour) }, chat.NotFound, false},
		{"the account is gone", func(w *world, _ *clock) {
			w.platform.Inject(wecom.Fault{API: "kf/send_msg", Code: 95004, Message: "not exist"})
		}, chat.NotFound, false},
		{"an untrusted address", func(w *world, _ *clock) {
			w.platform.Inject(wecom.Fault{API: "kf/send_msg", Code: 60020, Message: "from ip: 203.0.113.7"})
		}, chat.Forbidden, false},
		{"busy", func(w *world, _ *clock) {
			w.platform.Inject(wecom.Fault{API: "kf/send_msg", Code: -1, Message: "busy"})
		}, chat.Overloaded, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &clock{now: time.Now()}
			w := newWorld(t, sim.Options{Now: c.Now})
			k := w.channel(t)
			w.ringAndFetch(t, k, "问")
			tc.set(w, c)
			err := send(t, k, w.inbox.Messages()[0], "答", 1)
			if chat.KindOf(err) != tc.kind || chat.KindOf(err).Retryable() != tc.retry || len(w.Shown(account, "wmZhang")) > 0 {
				t.Errorf("%v, shown %+v", err, w.Shown(account, "wmZhang"))
			}
		})
	}
}

// TestALostAnswerIsSentAgain: nobody knows whether the customer saw it; sent again it is shown once.
func TestALostAnswerIsSentAgain(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.ringAndFetch(t, k, "问")
	m := w.inbox.Messages()[0]
	w.platform.Inject(wecom.Fault{API: "kf/send_msg", Lose: true})
	e, ok := errors.AsType[*chat.Error](send(t, k, m, "答", 1))
	if !ok || !e.Maybe || !k.Resendable(time.Minute) {
		t.Fatalf("%#v", e)
	}
	if err := send(t, k, m, "答", 1); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Shown(account, "wmZhang")); n != 1 || k.Resendable(time.Hour) {
		t.Errorf("shown %d times", n)
	}
}

// always is a cache that holds a token at any time.
type always struct{ *channeltest.Cache }

// Token implements channel.TokenCache.
func (always) Token(context.Context, string) (chat.Secret, error) {
	return chat.NewSecret("the-access-token"), nil
}

// Whoever speaks English reads in English that an answer was cut.
func TestTheCutIsSaidInTheTenantsLanguage(t *testing.T) {
	for lang, want := range map[string]string{"": "回复“继续”", "en": `Reply "continue"`} {
		s := settings()
		s.Lang = lang
		k, err := kf.New(s, channel.Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		parts, err := k.Parts(toZhang(), strings.Repeat("很长的回答。", 3000), 1)
		if err != nil || len(parts) == 0 {
			t.Fatalf("%d parts: %v", len(parts), err)
		}
		if last := read(t, parts[len(parts)-1]).Text.Content; !strings.Contains(last, want) {
			t.Errorf("language %q: %q is not in %.200q", lang, want, last[max(0, len(last)-200):])
		}
	}
}
