package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
	"parley/internal/sim/wecom/bot"
)

func TestAStreamGrowsOnAnyReplica(t *testing.T) {
	s := newStage(t, bot.Options{Again: 3, AckWithin: 2 * time.Second})
	replicas := s.callbacks(3, nil)
	m := s.say("zhang", "你好")
	s.sees(m, replicas[0].words.thinking, false)
	s.live.write(chat.Message{ID: "an earlier one", Conversation: m.Conversation}, "别的回答")
	s.sees(m, replicas[0].words.waiting, false)
	s.live.write(m, "<think>嗯</think>一二<thi")
	s.sees(m, "一二", false)
	s.must(s.answer(replicas[1], m, "<think>嗯</think>一二三"))
	s.sees(m, "一二三", true)
	s.must(s.answer(replicas[2], m, "<think>嗯</think>一二三")) // a replica that does not know that it was sent
	s.sees(m, "一二三", true)
	s.clean()
}

func TestAnswersThatAreLong(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.callbacks(1, nil)[0]
	long, longer := strings.Repeat("很长的回答。", 1500), strings.Repeat("更长的回答。", 4000)
	for name, tc := range map[string]struct {
		text string
		cut  bool
	}{"two messages": {long, false}, "more than two": {longer, true}} {
		t.Run(name, func(t *testing.T) {
			m := s.say(name, "你好")
			s.must(s.answer(c, m, tc.text))
			s.eventually("both are there", func() bool { _, extra, _ := s.sim.Answer(m.ID); return len(extra) == 1 })
			state, extra, _ := s.sim.Answer(m.ID)
			head, ok := strings.CutSuffix(state.Text, "\n\n"+c.words.goesOn)
			tail, cut := strings.CutSuffix(extra[0].Text, "\n\n"+c.words.cut)
			if !ok || cut != tc.cut || !strings.HasPrefix(tc.text, head+tail) || !tc.cut && head+tail != tc.text {
				t.Errorf("%d and %d bytes of %d; cut %v", len(head), len(tail), len(tc.text), cut)
			}
		})
	}
	s.clean()
}

// TestTheWindowEnds: an answer that comes after the stream's time goes out by response_url, once, and the stream has said so.
func TestTheWindowEnds(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.callbacks(2, nil)
	m, shut := s.say("zhang", "你好"), s.say("li", "你好")
	s.live.write(m, "已经写了这些")
	s.sees(m, "已经写了这些", false)
	s.sees(shut, c[0].words.thinking, false)
	s.polled(c[0], shut) // the stream's time counts from the first question, and what is seen so far may be the answer to the message itself
	s.advance(5*time.Minute + 40*time.Second)
	s.sees(m, "已经写了这些\n\n"+c[0].words.closed, true)
	s.sees(shut, c[0].words.closed, true)
	for range 3 {
		s.must(s.answer(c[1], m, "完整的回答"))
	}
	s.sees(m, "已经写了这些\n\n"+c[0].words.closed, true, "完整的回答")
	s.clean()
	s.advance(time.Hour)
	if err := s.answer(c[0], shut, "太晚了"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("an answer that nothing can carry: %v", err)
	}
}

// TestNobodyPolls: where the platform does not fetch an answer, it is sent; a poll that comes too late does not show it again.
func TestNobodyPolls(t *testing.T) {
	s := newStage(t, bot.Options{PollEvery: time.Hour})
	c := s.callbacks(1, nil)[0]
	m := s.say("zhang", "你好")
	s.must(s.answer(c, m, "回答"))
	s.sees(m, c.words.thinking, false, "回答")
	if got := poll(t, c, m); got.Content != c.words.moved || !got.Finish {
		t.Errorf("a late poll is told %+v", got)
	}
}

// poll asks how a message's stream goes on.
func poll(t *testing.T, c *Callback, m chat.Message) streamBody {
	t.Helper()
	to, err := decodeAddress(m)
	if err != nil {
		t.Fatal(err)
	}
	d := deliver(t, "", time.Now(), map[string]any{
		"msgid": "p", "chattype": "single", "from": map[string]any{"userid": m.User}, "msgtype": "stream", "stream": map[string]any{"id": to.Stream},
	})
	opened, err := c.Open(t.Context(), d)
	if err != nil || len(opened.Messages) > 0 {
		t.Fatalf("%+v, %v", opened, err)
	}
	var got stream
	openAck(t, d, opened.Ack, &got)
	return got.Stream
}

// openAck opens a passive answer as the platform does.
func openAck(t *testing.T, d channel.Delivery, a channel.Ack, out any) {
	t.Helper()
	var got struct {
		Encrypt, MsgSignature, Nonce string
		Timestamp                    json.Number
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
	sealer, err := sim.NewSealer("", testToken, testAESKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := sealer.Open(got.Encrypt, got.MsgSignature, got.Timestamp.String(), got.Nonce)
	if err != nil || got.Nonce != d.Query.Get("nonce") {
		t.Fatalf("the answer does not open, or has another nonce: %v", err)
	}
	if err := json.Unmarshal(plain, out); err != nil {
		t.Fatal(err)
	}
}

// TestNeverBothNeverNeither lets polls, the window's end and the answer meet in every order.
func TestNeverBothNeverNeither(t *testing.T) {
	for i := range 40 {
		s := newStage(t, bot.Options{PollEvery: time.Duration(1+i%7) * time.Millisecond})
		c := s.callbacks(2, nil)
		c[0].fetch, c[1].fetch = time.Duration(i%5)*time.Millisecond, time.Duration(i%3)*time.Millisecond
		m := s.say("zhang", "你好")
		if i%2 == 0 {
			time.AfterFunc(time.Duration(i%11)*time.Millisecond, func() { s.advance(6 * time.Minute) })
		}
		time.Sleep(time.Duration(i%4) * time.Millisecond)
		for _, c := range c { // the second does not know of the first
			s.must(s.answer(c, m, "回答"))
		}
		s.eventually("the stream ends", func() bool { state, _, ok := s.sim.Answer(m.ID); return ok && state.Finished })
		time.Sleep(20 * time.Millisecond)
		state, extra, _ := s.sim.Answer(m.ID)
		inStream := state.Text == "回答"
		if inStream == (len(extra) == 1) || len(extra) > 1 {
			t.Fatalf("round %d: the stream shows %q, and besides there are %+v", i, state.Text, extra)
		}
		s.clean()
	}
}

func TestResponseURLIsUsedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		fault bot.Fault
		kind  chat.Kind // of the first try; Internal: none
		maybe bool
		again bool // the second try goes out
	}{
		"its answer is lost":   {bot.Fault{API: "response", Lose: true}, chat.Unavailable, true, false},
		"502 after all":        {bot.Fault{API: "response", Status: 502}, chat.Unavailable, true, true},
		"busy":                 {bot.Fault{API: "response", Code: -1}, chat.Overloaded, false, true},
		"from a strange IP":    {bot.Fault{API: "response", Code: 60020}, chat.Forbidden, false, true},
		"over its API's limit": {bot.Fault{API: "response", Code: 45009}, chat.RateLimited, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, bot.Options{PollEvery: time.Hour})
			c := s.callbacks(1, nil)[0]
			m := s.say("zhang", "你好")
			s.sim.Inject(tc.fault)
			err := s.answer(c, m, "回答")
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != tc.kind || e.Maybe != tc.maybe {
				t.Errorf("%+v", err)
			}
			for range 2 {
				s.must(s.answer(c, m, "回答"))
			}
			s.sees(m, c.words.thinking, false, "回答")
		})
	}
}

// TestResponseURLLeadsToThePlatform: a message may name any address; only the platform's own is called.
func TestResponseURLLeadsToThePlatform(t *testing.T) {
	called := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	defer elsewhere.Close()
	s := newStage(t, bot.Options{PollEvery: time.Hour})
	c := s.callbacks(1, nil)[0]
	host := strings.TrimPrefix(s.origin, "http://")
	for _, address := range []string{
		elsewhere.URL + "/cgi-bin/aibot/response?response_code=1",
		"http://" + host + "@" + strings.TrimPrefix(elsewhere.URL, "http://") + "/cgi-bin/aibot/response?response_code=1",
		"http://" + host + ".evil.example/cgi-bin/aibot/response?response_code=1",
		s.origin + "/cgi-bin/message/send?access_token=1", s.origin + "/cgi-bin/aibot/response/../../x?response_code=1",
		s.origin + "/cgi-bin/aibot/response", "file:///etc/passwd", "::",
	} {
		in := said("1", "zhang", "你好")
		in["response_url"] = address
		opened, err := c.Open(t.Context(), deliver(t, "", time.Now(), in))
		if err != nil || len(opened.Messages) != 1 {
			t.Fatal(opened, err)
		}
		to, _ := decodeAddress(opened.Messages[0])
		if to.URL != "" {
			t.Errorf("%s is kept", address)
		}
		to.URL = address // as if it had been stored by another release
		opened.Messages[0].Address, _ = json.Marshal(to)
		c.fetch = time.Millisecond
		if err := s.answer(c, opened.Messages[0], "回答"); chat.KindOf(err) != chat.Forbidden || strings.Contains(err.Error(), "response_code=") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if called > 0 {
		t.Errorf("%d calls to where the message led", called)
	}
}

// TestNoResponseURL: then the answer waits for the platform as long as it may come, and says so.
func TestNoResponseURL(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.callbacks(1, nil)[0]
	opened, err := c.Open(t.Context(), deliver(t, "", time.Now(), said("1", "zhang", "你好")))
	s.must(err)
	m := opened.Messages[0]
	err = s.answer(c, m, strings.Repeat("回答。", 4000))
	if e, ok := errors.AsType[*chat.Error](err); !ok || !e.Kind.Retryable() || e.Maybe || e.RetryAfter <= 0 || e.RetryAfter > 5*time.Second {
		t.Errorf("%+v", err)
	}
	if got := poll(t, c, m); !got.Finish || !strings.HasSuffix(got.Content, c.words.cut) {
		t.Errorf("polled %.100q, finished %v", got.Content, got.Finish)
	}
	s.must(s.answer(c, m, "回答"))
}

// TestTheStoreIsAway: a stream does not break because one question about it cannot be answered; a message gets a 503 from the front.
func TestTheStoreIsAway(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.callbacks(1, nil)[0]
	m := s.say("zhang", "你好")
	s.cache.Fail(errors.New("redis is away"))
	if got := poll(t, c, m); got.Finish || got.Content != c.words.thinking {
		t.Errorf("polled %+v", got)
	}
	if err := s.answer(c, m, "回答"); err == nil {
		t.Error("an answer was sent without the store")
	}
	s.cache.Fail(nil)
	s.must(s.answer(c, m, "回答"))
	s.sees(m, "回答", true)
}

func TestEvents(t *testing.T) {
	s := newStage(t, bot.Options{})
	s.callbacks(1, map[string]any{"welcome": "欢迎光临"})
	for _, event := range []string{"enter_chat", "feedback_event", "template_card_event", "what_comes_next"} {
		if _, err := s.sim.Push(t.Context(), testBot, bot.Message{User: event, Event: event}); err != nil {
			t.Errorf("%s: %v", event, err)
		}
		var seen []string
		for _, n := range s.sim.Shown(testBot, event) {
			seen = append(seen, n.Text)
		}
		if diff := cmp.Diff(map[bool][]string{true: {"欢迎光临"}}[event == "enter_chat"], seen); diff != "" {
			t.Errorf("%s: %s", event, diff)
		}
	}
	if got := s.inbox.Messages(); len(got) > 0 {
		t.Errorf("accepted %+v", got)
	}
	s.clean()
}

// TestKeysAreExchanged: while the list holds two, callbacks of either open, and answers are sealed as their question was.
func TestKeysAreExchanged(t *testing.T) {
	s := newStage(t, bot.Options{})
	next := strings.Repeat("a", 43)
	c := newBot(t, s.deps(), map[string]any{"token": []string{"next", testToken}, "aes_key": []string{next, testAESKey}}).(*Callback)
	d := deliver(t, "", time.Now(), said("1", "zhang", "你好"))
	opened, err := c.Open(t.Context(), d)
	s.must(err)
	var got stream
	openAck(t, d, opened.Ack, &got)
	if got.Stream.ID == "" || got.Stream.Finish {
		t.Errorf("%+v", got)
	}
}

func TestPictures(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{1}, 1000)...)
	for _, mode := range []string{"callback", "stream"} {
		t.Run(mode, func(t *testing.T) {
			s := newStage(t, bot.Options{})
			var c channel.Channel
			if mode == "callback" {
				c = s.callbacks(1, nil)[0]
			} else {
				c = s.connect()
			}
			fetch := func(m chat.Message) ([]chat.Picture, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				return c.(channel.Fetcher).Fetch(ctx, m)
			}
			m := s.push(bot.Message{User: "zhang", Text: "看", Images: [][]byte{png, png}})
			got, err := fetch(m)
			want := []chat.Picture{{Type: "image/png", Data: png}, {Type: "image/png", Data: png}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" || m.Text != "看" {
				t.Errorf("%v %q %s", err, m.Text, diff)
			}
			large := s.push(bot.Message{User: "zhang", Images: [][]byte{append(bytes.Clone(png), make([]byte, channel.MaxImage)...)}})
			if _, err := fetch(large); chat.KindOf(err) != chat.TooLarge {
				t.Errorf("too large: %v", err)
			}
			if _, err := fetch(s.push(bot.Message{User: "zhang", Images: [][]byte{[]byte("no picture")}})); chat.KindOf(err) != chat.Invalid {
				t.Errorf("no picture: %v", err)
			}
			for name, address := range map[string]string{"elsewhere": "http://127.0.0.1:1/a", "a file": "file:///etc/passwd", "none": "x", "gone": s.origin + "/aibot/media/1"} {
				raw, _ := json.Marshal(imageRef{URL: address})
				m.Images = []chat.Image{{Ref: raw}}
				kind := chat.Forbidden
				if name == "gone" {
					kind = chat.NotFound
				}
				if _, err := fetch(m); chat.KindOf(err) != kind {
					t.Errorf("%s: %v, want %v", name, err, kind)
				}
			}
		})
	}
}

func TestNewFaults(t *testing.T) {
	d := newStage(t, bot.Options{}).deps()
	for name, tc := range map[string]struct {
		changes map[string]any
		says    string
	}{
		"mode":          {map[string]any{"mode": "poll"}, "mode"},
		"window":        {map[string]any{"window": "1h"}, "window"},
		"no time":       {map[string]any{"window": "soon"}, "window"},
		"language":      {map[string]any{"language": "fr"}, "language"},
		"welcome":       {map[string]any{"welcome": strings.Repeat("x", maxText+1)}, "welcome"},
		"short key":     {map[string]any{"aes_key": "short"}, "aes_key"},
		"empty token":   {map[string]any{"token": ""}, "token"},
		"no key":        {map[string]any{"aes_key": nil}, "aes_key"},
		"no secret":     {map[string]any{"mode": "stream", "secret": nil}, "secret"},
		"no bot_id":     {map[string]any{"mode": "stream", "bot_id": nil}, "bot_id"},
		"unknown field": {map[string]any{"corp_id": "ww1"}, "corp_id"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(tc.changes)
			_, err := New(s, d)
			said := strings.Join(append(s.Faults, s.Unread()...), "\n")
			if err != nil {
				said += err.Error()
			}
			if !strings.Contains(said, tc.says) {
				t.Errorf("said %q, want it to name %s", said, tc.says)
			}
		})
	}
}
