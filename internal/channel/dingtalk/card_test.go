package dingtalk

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

const (
	createPath = "/v1.0/card/instances/createAndDeliver"
	streamPath = "/v1.0/card/streaming"
)

func cards() map[string]any { return map[string]any{"card_template": testTemplate} }

func (s *stage) show(c channel.Channel, m chat.Message, text string) error {
	return c.(channel.Streamer).Show(s.Context(), m, text)
}

// card is the whole of what the chat shows: one card.
func card(where, content string, updates int, final bool) []sim.Shown {
	return []sim.Shown{{Chat: where, Way: sim.WayCard, Type: "card", Content: content, Updates: updates, Final: final}}
}

func (s *stage) wants(where string, want []sim.Shown) {
	s.Helper()
	if d := cmp.Diff(want, s.shown(where)); d != "" {
		s.Errorf("(-want +got)\n%s", d)
	}
}

// One card is made for a message, whichever replica writes it, and ended with the whole text.
func TestCardIsRewritten(t *testing.T) {
	s := newStage(t, sim.Options{})
	a, b := s.replica(cards()), s.replica(cards())
	m := s.hear(a, sim.Message{User: "zhang", Text: "问"})
	s.must(s.show(a, m, "天"))
	s.must(s.show(a, m, "天是"))
	s.must(s.show(b, m, "天是蓝")) // the first one died
	s.must(s.reply(b, m, "天是蓝的。"))
	s.wants("zhang", card("zhang", "天是蓝的。", 4, true))
	if a.Live() != showEvery || s.replica(nil).Live() != 0 {
		t.Errorf("Live %v", a.Live())
	}
}

func TestCardOfAGroup(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "zhang", Group: group, Nick: "张三", Text: "问"})
	s.must(s.reply(c, m, "好的。"))
	want := card(group, "好的。", 1, true)
	want[0].Mentions = []string{"zhang"}
	s.wants(group, want)
}

// Whom no card can be put before gets a message.
func TestNoCardForStrangers(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "guest", Outside: true, Text: "问"})
	s.must(s.show(c, m, "天"))
	s.must(s.reply(c, m, "天是蓝的。"))
	s.wants("$:LWCP_v1:$guest", []sim.Shown{{Chat: "$:LWCP_v1:$guest", Way: sim.WayWebhook, Type: "markdown", Title: "天是蓝的。", Content: "天是蓝的。"}})
}

// What is long goes on in messages behind the card; the card shows as much as it may hold while the answer grows.
func TestLongCards(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	text := strings.Repeat("很长的回答。", 2000)
	s.must(s.show(c, m, text))
	if got := s.shown("zhang")[0].Content; len(got) > maxText+len(more) || !strings.HasSuffix(got, more) {
		t.Errorf("%d bytes are shown", len(got))
	}
	s.must(s.reply(c, m, text))
	shown := s.shown("zhang")
	if len(shown) < 3 || !shown[0].Final || shown[1].Way != sim.WayWebhook {
		t.Errorf("%d are shown: %+v", len(shown), shown[0].Final)
	}
	var all string
	for _, one := range shown {
		all += one.Content
	}
	if all != text {
		t.Errorf("%d bytes of %d", len(all), len(text))
	}
}

// Every way in which the two calls of a card can fail, and what the person sees in the end: the whole answer, once.
func TestCardFailures(t *testing.T) {
	plain := []sim.Shown{{Chat: "zhang", Way: sim.WayWebhook, Type: "markdown", Title: "天是蓝的。", Content: "天是蓝的。"}}
	broken := func(content string, updates int) sim.Shown {
		return sim.Shown{Chat: "zhang", Way: sim.WayCard, Type: "card", Content: content, Updates: updates, Failed: true}
	}
	no := func(api string, times, status int, code string) sim.Fault {
		return sim.Fault{API: api, Times: times, Status: status, Body: `{"code":"` + code + `","message":"x"}`}
	}
	for name, tc := range map[string]struct {
		shows  int // before the faults
		faults []sim.Fault
		later  int // Shows with the faults; their errors are of no account
		tries  int // of the reply
		heal   int // before this try
		want   []sim.Shown
	}{
		"no permission to make one":    {0, []sim.Fault{no(createPath, -1, 403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")}, 0, 1, 9, plain},
		"the same, while it grows":     {0, []sim.Fault{no(createPath, -1, 403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")}, 3, 1, 9, plain},
		"no permission to write":       {0, []sim.Fault{no(streamPath, -1, 403, "Forbidden.AccessDenied.AccessTokenPermissionDenied")}, 0, 1, 9, append(card("zhang", "", 0, false), plain...)},
		"no such template":             {0, []sim.Fault{no(createPath, -1, 400, "param.cardTemplateNotExist")}, 1, 1, 9, plain},
		"not delivered":                {0, []sim.Fault{{API: createPath, Times: -1, Body: `{"success":true,"result":{"deliverResults":[{"success":false,"errorMsg":"x"}]}}`}}, 0, 1, 9, plain},
		"a text that is refused":       {2, []sim.Fault{no(streamPath, 1, 400, "param.contentUnsafe")}, 0, 1, 9, append([]sim.Shown{broken("天是", 3)}, plain...)},
		"blocked before anything":      {0, []sim.Fault{{API: createPath, Times: -1, Body: `{"status":1111}`}}, 0, 1, 9, plain},
		"blocked while it grows":       {2, []sim.Fault{{API: streamPath, Times: 1, Body: `{"status":1111}`}}, 0, 1, 9, nil},
		"too many calls":               {2, []sim.Fault{no(streamPath, 1, 403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi")}, 0, 2, 9, card("zhang", "天是蓝的。", 3, true)},
		"busy":                         {2, []sim.Fault{no(streamPath, 1, 503, "ServiceUnavailable")}, 0, 2, 9, card("zhang", "天是蓝的。", 3, true)},
		"the end's answer is lost":     {2, []sim.Fault{{API: streamPath, Lose: true}}, 0, 2, 9, card("zhang", "天是蓝的。", 3, true)},
		"its making's answer is lost":  {0, []sim.Fault{{API: createPath, Lose: true}}, 0, 2, 9, card("zhang", "天是蓝的。", 1, true)},
		"it was never made":            {0, []sim.Fault{no(createPath, 1, 503, "ServiceUnavailable")}, 0, 2, 9, card("zhang", "天是蓝的。", 1, true)},
		"the same, while it grows 503": {0, []sim.Fault{no(createPath, 1, 503, "ServiceUnavailable")}, 2, 1, 9, card("zhang", "天是蓝的。", 1, true)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sim.Options{})
			a, b := s.replica(cards()), s.replica(cards())
			m := s.hear(a, sim.Message{User: "zhang", Text: "问"})
			for i := range tc.shows {
				s.must(s.show(a, m, "天是蓝的"[:3*(i+1)]))
			}
			for _, f := range tc.faults {
				s.sim.Inject(f)
			}
			for i := range tc.later {
				_ = s.show(a, m, "天是蓝的"[:3*(i+1)])
			}
			parts, err := b.Parts(m, "天是蓝的。", 1)
			s.must(err)
			for try := range tc.tries {
				err = b.Send(t.Context(), m, parts[0])
				e, _ := errors.AsType[*chat.Error](err)
				if last := try == tc.tries-1; last && err != nil && tc.want != nil || !last && (err == nil || !e.Kind.Retryable()) {
					t.Fatalf("try %d: %v", try, err)
				}
				if e != nil && e.RetryAfter > 0 && e.RetryAfter <= time.Second {
					time.Sleep(e.RetryAfter)
				}
			}
			if tc.want == nil {
				if e, ok := errors.AsType[*chat.Error](err); !ok || e.RetryAfter != blockedFor {
					t.Errorf("%v", err)
				}
				return
			}
			s.wants("zhang", tc.want)
		})
	}
}

// A platform that refuses cards is asked again only after a while, and the operator is told once.
func TestCardsRest(t *testing.T) {
	s := newStage(t, sim.Options{})
	now := time.Now()
	d := s.deps()
	d.Now = func() time.Time { return now }
	c := newRobot(t, d, cards())
	s.sim.Inject(sim.Fault{API: createPath, Times: -1, Status: 403, Body: `{"code":"Forbidden.AccessDenied.AccessTokenPermissionDenied","message":"应用尚未开通所需的权限：[Card.Instance.Write]"}`})
	ask := func() {
		m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
		_ = s.show(c, m, "天")
		s.must(s.reply(c, m, "天是蓝的。"))
	}
	for range 5 {
		ask()
	}
	if n := s.sim.Calls(createPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if n := strings.Count(s.log.String(), "Card.Instance.Write"); n != 1 {
		t.Errorf("said %d times:\n%s", n, s.log)
	}
	s.sim.Heal()
	now = now.Add(cardsRest + time.Second)
	ask()
	shown := s.shown("zhang")
	if last := shown[len(shown)-1]; len(shown) != 6 || last.Type != "card" || !last.Final {
		t.Errorf("after the rest: %+v", last)
	}
	if n := s.metric("parley_dingtalk_cards_replaced_total"); n != 5 {
		t.Errorf("%v cards are counted as replaced", n)
	}
}

// Of a message in a card's place nobody knows whether it was seen once its answer is lost: it is not sent again, by nobody.
func TestPlainInPlaceOfACardIsSentOnce(t *testing.T) {
	s := newStage(t, sim.Options{})
	a, b := s.replica(cards()), s.replica(cards())
	m := s.hear(a, sim.Message{User: "zhang", Text: "问"})
	s.sim.Inject(sim.Fault{API: createPath, Times: -1, Status: 400, Body: `{"code":"x","message":"x"}`})
	s.sim.Inject(sim.Fault{API: hookPath, Lose: true})
	err := s.reply(a, m, "好的。")
	if e, ok := errors.AsType[*chat.Error](err); !ok || !e.Maybe {
		t.Fatalf("%v", err)
	}
	s.must(s.reply(b, m, "好的。"))
	if shown := s.shown("zhang"); len(shown) != 1 {
		t.Errorf("shown %+v", shown)
	}
	// Refused for certain, it goes out later.
	m = s.hear(a, sim.Message{User: "li", Text: "问"})
	s.sim.Inject(sim.Fault{API: hookPath, Body: `{"errcode":-1,"errmsg":"系统繁忙"}`})
	if err := s.reply(a, m, "好的。"); chat.KindOf(err) != chat.Overloaded {
		t.Fatalf("%v", err)
	}
	s.must(s.reply(b, m, "好的。"))
	if shown := s.shown("li"); len(shown) != 1 {
		t.Errorf("shown %+v", shown)
	}
}

// Updates give way when the second's calls are spent; the end waits for its place.
func TestUpdatesGiveWay(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	dropped := 0
	for i := range 60 {
		err := s.show(c, m, strings.Repeat("天", i+1))
		if e, ok := errors.AsType[*chat.Error](err); ok && e.Kind == chat.RateLimited && e.RetryAfter > 0 {
			dropped++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	s.must(s.reply(c, m, "天是蓝的。"))
	if dropped == 0 || s.sim.Limited() > 0 {
		t.Errorf("%d dropped, %d refused", dropped, s.sim.Limited())
	}
	if shown := s.shown("zhang"); len(shown) != 1 || shown[0].Content != "天是蓝的。" || !shown[0].Final {
		t.Errorf("%+v", shown)
	}
}

func TestWhatMayBeSentAgain(t *testing.T) {
	s := newStage(t, sim.Options{})
	for name, tc := range map[string]struct {
		changes map[string]any
		text    string
		want    []bool
	}{
		"messages":          {nil, "好", []bool{false}},
		"a card":            {cards(), "好", []bool{true}},
		"a card and a rest": {cards(), strings.Repeat("长", 4000), []bool{true, false}},
	} {
		c := s.replica(tc.changes)
		parts, err := c.Parts(chat.Message{}, tc.text, 1)
		s.must(err)
		var got []bool
		for _, p := range parts {
			got = append(got, c.(channel.PartResender).PartResendable(p, time.Hour))
			if c.(channel.PartResender).PartResendable(p, cardKept) {
				t.Errorf("%s: after what is remembered of it is forgotten", name)
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

// Without Redis nothing is known of a card: the reply waits, and partial text is left out.
func TestCardsWithoutMemory(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	s.cache.Fail(context.DeadlineExceeded)
	if err := s.show(c, m, "天"); !chat.KindOf(err).Retryable() {
		t.Errorf("%v", err)
	}
	if err := s.reply(c, m, "天是蓝的。"); !chat.KindOf(err).Retryable() {
		t.Errorf("%v", err)
	}
	s.cache.Fail(nil)
	s.must(s.reply(c, m, "天是蓝的。"))
	s.wants("zhang", card("zhang", "天是蓝的。", 1, true))
}

// A message that an operator lets answer again has its card ended already: each further reply is a message, and each is sent once.
func TestAnsweredAgain(t *testing.T) {
	s := newStage(t, sim.Options{QPS: -1})
	c := s.replica(cards())
	m := s.hear(c, sim.Message{User: "zhang", Text: "问"})
	s.must(s.reply(c, m, "抱歉。"))
	for range 2 {
		s.must(s.reply(c, m, "天是蓝的。"))
		s.must(s.reply(c, m, "天是很蓝的。"))
		s.must(s.reply(c, m, "天是很蓝的。"))
	}
	var got []string
	for _, one := range s.shown("zhang") {
		got = append(got, one.Content)
	}
	if d := cmp.Diff([]string{"抱歉。", "天是蓝的。", "天是很蓝的。", "天是蓝的。", "天是很蓝的。"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if strings.Contains(s.log.String(), "replies go out as plain messages") {
		t.Error("cards rest for it")
	}
}
