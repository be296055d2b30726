package feishu

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

const chatOfZ = "oc_p2p_ou_z"

// asked is a world with one message in it.
func asked(t *testing.T, opt sim.Options, change func(*sim.App)) (*world, chat.Message) {
	t.Helper()
	w := newWorld(t, opt, change)
	w.register(t, w.entry(t, nil))
	return w, w.push(t, sim.Message{User: "ou_z", Text: "你好"})
}

// lasting shows until the platform took it: it has a budget.
func lasting(t *testing.T, c channel.Channel, m chat.Message, text string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := show(t, c, m, text)
		if err == nil {
			return
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal(err)
		}
	}
}

func TestStreaming(t *testing.T) {
	var seen []string
	w, m := asked(t, sim.Options{OnShown: func(m sim.Shown) { seen = append(seen, fmt.Sprint(m.Streaming, " ", m.Text)) }}, nil)
	c := w.replica(t, nil)
	for _, text := range []string{"一", "一二", "一二三"} {
		lasting(t, c, m, text)
		time.Sleep(2 * tick) // two texts of one moment are one
	}
	if err := answer(t, c, m, "一二三。\n\nAI 生成"); err != nil {
		t.Fatal(err)
	}
	w.await(t, chatOfZ, 1)
	want := []string{"true 一", "true 一二", "true 一二三", "false 一二三。\n\nAI 生成"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if calls := w.sim.Stats().Calls; calls["card"] != 1 || calls["reply"] != 1 || calls["content"] != 2 || calls["finish"] != 1 {
		t.Errorf("calls %v", calls)
	}
	if err := show(t, c, m, "late"); err != nil || len(w.sim.Shown(chatOfZ)) != 1 || w.sim.Shown(chatOfZ)[0].Text == "late" {
		t.Errorf("what was late is shown: %v, %+v", err, w.sim.Shown(chatOfZ))
	}
}

// TestTamed: what the model says mentions nobody, also while it grows.
func TestTamed(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	c := w.replica(t, nil)
	evil := `<at id=all></at> <at user_id="ou_li">x</at> [https://bank.example](https://evil.example) ![x](img_v3_1)` + "\n```xml\n<at id=all></at>\n```"
	lasting(t, c, m, evil)
	check := func(shown sim.Shown) {
		t.Helper()
		if len(shown.Mentions) > 0 || strings.Contains(shown.Text, "](") {
			t.Errorf("shown %+v", shown)
		}
	}
	check(w.sim.Shown(chatOfZ)[0])
	if err := answer(t, c, m, evil); err != nil {
		t.Fatal(err)
	}
	check(w.await(t, chatOfZ, 1)[0])
	for range 2 { // down to a text, which knows no code
		w.sim.Inject(sim.Fault{API: "reply", Code: 230099})
	}
	m = w.push(t, sim.Message{User: "ou_z", Text: "再说"})
	if err := answer(t, c, m, evil); err != nil {
		t.Fatal(err)
	}
	check(w.await(t, chatOfZ, 2)[1])
}

// TestTakeover: whoever goes on after a replica died writes into the card that is there, whatever the dead one had done of it.
func TestTakeover(t *testing.T) {
	for name, died := range map[string]func(*testing.T, *world, channel.Channel, chat.Message){
		"after a text": func(t *testing.T, _ *world, c channel.Channel, m chat.Message) { lasting(t, c, m, "一二") },
		"before its card stood there": func(t *testing.T, w *world, c channel.Channel, m chat.Message) {
			w.sim.Inject(sim.Fault{API: "reply", Status: 502})
			if show(t, c, m, "一二") == nil {
				t.Fatal("shown")
			}
		},
		"before it knew that its card stood there": func(t *testing.T, w *world, c channel.Channel, m chat.Message) {
			w.sim.Inject(sim.Fault{API: "reply", Lose: true})
			if show(t, c, m, "一二") == nil {
				t.Fatal("shown")
			}
		},
		"before it knew its card": func(t *testing.T, w *world, c channel.Channel, m chat.Message) {
			w.sim.Inject(sim.Fault{API: "card", Lose: true})
			if show(t, c, m, "一二") == nil {
				t.Fatal("shown")
			}
		},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(name, again), func(t *testing.T) {
				w, m := asked(t, sim.Options{}, nil)
				died(t, w, w.replica(t, nil), m)
				c := w.replica(t, nil)
				if again {
					lasting(t, c, m, "三四五")
				}
				if err := answer(t, c, m, "完"); err != nil {
					t.Fatal(err)
				}
				shown := w.await(t, chatOfZ, 1)
				if len(shown) != 1 || shown[0].Text != "完" || shown[0].Streaming {
					t.Errorf("shown %+v", shown)
				}
			})
		}
	}
}

// TestSlowShower: one that stood still before it began shows nothing once the reply is out.
func TestSlowShower(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	if err := answer(t, w.replica(t, nil), m, "完"); err != nil {
		t.Fatal(err)
	}
	if err := show(t, w.replica(t, nil), m, "一二"); err != nil {
		t.Error(err)
	}
	if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
		t.Errorf("shown %+v", shown)
	}
}

// hurried lets something happen just before the first thing is remembered.
type hurried struct {
	channel.Memo
	first func()
}

func (h *hurried) hurry() {
	if first := h.first; first != nil {
		h.first = nil
		first()
	}
}

func (h *hurried) Remember(ctx context.Context, key, value string, ttl time.Duration) error {
	h.hurry()
	return h.Memo.Remember(ctx, key, value, ttl)
}

func (h *hurried) RememberFirst(ctx context.Context, key, value string, ttl time.Duration) (string, error) {
	h.hurry()
	return h.Memo.RememberFirst(ctx, key, value, ttl)
}

// TestOvertaken: one that was overtaken while it made its card puts no second one into the chat.
func TestOvertaken(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, channel.Channel, chat.Message) error{
		"by an answer":     func(t *testing.T, c channel.Channel, m chat.Message) error { return answer(t, c, m, "完") },
		"by another shown": func(t *testing.T, c channel.Channel, m chat.Message) error { return show(t, c, m, "一") },
	} {
		t.Run(name, func(t *testing.T) {
			w, m := asked(t, sim.Options{PerChat: -1}, nil)
			d := w.deps()
			d.Memo = &hurried{d.Memo, func() {
				if err := meanwhile(t, w.replica(t, nil), m); err != nil {
					t.Error(err)
				}
			}}
			if err := show(t, newBot(t, d, nil), m, "一二"); err != nil {
				t.Error(err)
			}
			if err := answer(t, w.replica(t, nil), m, "完"); err != nil {
				t.Fatal(err)
			}
			if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
				t.Errorf("shown %+v", shown)
			}
		})
	}
}

// TestClocks: replicas' clocks differ. The last text is the last all the same.
func TestClocks(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Second, time.Minute, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			w, m := asked(t, sim.Options{}, nil)
			lasting(t, w.replica(t, nil), m, "一")
			d := w.deps()
			d.Now = func() time.Time { return time.Now().Add(ahead) }
			lasting(t, newBot(t, d, nil), m, "一二")
			d.Now = func() time.Time { return time.Now().Add(-ahead) }
			if err := answer(t, newBot(t, d, nil), m, "完"); err != nil {
				t.Fatal(err)
			}
			if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
				t.Errorf("shown %+v", shown)
			}
		})
	}
}

// TestRepeated: a part whose answer was lost is sent again, and seen once.
func TestRepeated(t *testing.T) {
	for name, changes := range map[string]map[string]any{"cards": nil, "plain": {"card": "false"}} {
		for _, shown := range []bool{false, true} {
			t.Run(fmt.Sprint(name, shown), func(t *testing.T) {
				w, m := asked(t, sim.Options{}, nil)
				c := w.replica(t, changes)
				if shown && changes == nil {
					lasting(t, c, m, "一")
				}
				for _, api := range []string{"reply", "finish"} {
					w.sim.Inject(sim.Fault{API: api, Lose: true})
				}
				err := answer(t, c, m, "完")
				if e, ok := errors.AsType[*chat.Error](err); !ok || !e.Maybe {
					t.Fatalf("%v; it may have been shown", err)
				}
				w.sim.Heal()
				if err := answer(t, w.replica(t, changes), m, "完"); err != nil {
					t.Fatal(err)
				}
				if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
					t.Errorf("shown %+v", shown)
				}
			})
		}
	}
}

// TestAnsweredAgain: a message that is answered once more gets the new answer, where the first was.
func TestAnsweredAgain(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	c := w.replica(t, nil)
	if err := answer(t, c, m, "一"); err != nil {
		t.Fatal(err)
	}
	parts, _ := c.Parts(m, "一", 2)
	if err := c.Send(t.Context(), m, parts[0]); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, chatOfZ, 2); shown[1].Text != "一" {
		t.Errorf("shown %+v", shown)
	}
}

// TestWithoutCards: the company did not grant what cards need. Answers come all the same, and the platform is not asked in vain each time.
func TestWithoutCards(t *testing.T) {
	w, m := asked(t, sim.Options{PerChat: -1}, func(a *sim.App) { a.Scopes = []string{"im:message"} })
	c := w.replica(t, nil)
	if err := show(t, c, m, "一"); chat.KindOf(err) != chat.Forbidden {
		t.Errorf("%v", err)
	}
	for range 5 {
		if err := show(t, c, m, "一二"); err != nil {
			t.Errorf("%v", err)
		}
	}
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" || w.sim.Stats().Calls["card"] != 1 {
		t.Errorf("shown %+v, calls %v", shown, w.sim.Stats().Calls)
	}
}

// TestRefusedCards: whatever the platform has against a card, the answer comes.
func TestRefusedCards(t *testing.T) {
	for _, tc := range []struct {
		name   string
		shown  bool // before the fault
		faults []sim.Fault
		form   string
	}{
		{"an answer's content", false, []sim.Fault{{API: "reply", Code: 230099}}, "post"},
		{"also as a rich text", false, []sim.Fault{{API: "reply", Code: 230099}, {API: "reply", Code: 230001}}, "text"},
		{"the card's last text", true, []sim.Fault{{API: "finish", Code: 200860}}, "interactive"},
		{"a card that is gone", true, []sim.Fault{{API: "finish", Code: 200750}}, "interactive"},
		{"a card and its content", true, []sim.Fault{{API: "finish", Code: 300313}, {API: "reply", Code: 230099}}, "post"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, m := asked(t, sim.Options{PerChat: -1}, nil)
			c := w.replica(t, nil)
			if tc.shown {
				lasting(t, c, m, "一")
			}
			for _, f := range tc.faults {
				w.sim.Inject(f)
			}
			if err := answer(t, c, m, "完"); err != nil {
				t.Fatal(err)
			}
			shown := w.sim.Shown(chatOfZ)
			last := shown[len(shown)-1]
			if last.Text != "完" || last.Type != tc.form || last.Streaming {
				t.Errorf("shown %+v", shown)
			}
		})
	}
}

// TestOldCard: the platform ends what was written into for 10 min; the last text comes all the same.
func TestOldCard(t *testing.T) {
	w, m := asked(t, sim.Options{StreamFor: time.Millisecond}, nil)
	c := w.replica(t, nil)
	lasting(t, c, m, "一")
	for range 3 {
		time.Sleep(20 * time.Millisecond)
		lasting(t, c, m, "一二")
	}
	d := w.deps()
	d.Now = func() time.Time { return time.Now().Add(11 * time.Minute) }
	before := w.sim.Stats().Calls["content"]
	if err := show(t, newBot(t, d, nil), m, "一二三"); err != nil || w.sim.Stats().Calls["content"] != before {
		t.Errorf("%v; a card of 11 min is written into", err)
	}
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
		t.Errorf("shown %+v", shown)
	}
}

// TestMemoAway: without a memory nobody knows whether there is a card: nothing is shown twice.
func TestMemoAway(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	c := w.replica(t, nil)
	lasting(t, c, m, "一")
	w.cache.Fail(errors.New("redis is away"))
	for what, err := range map[string]error{"showing": show(t, c, m, "一二"), "answering": answer(t, c, m, "完")} {
		if chat.KindOf(err) != chat.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.cache.Fail(nil)
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, chatOfZ, 1); len(shown) != 1 || shown[0].Text != "完" {
		t.Errorf("shown %+v", shown)
	}
}

// TestGroupCard: the asker is mentioned in every state of the card, and nobody else.
func TestGroupCard(t *testing.T) {
	w := newWorld(t, sim.Options{}, nil)
	w.register(t, w.entry(t, nil))
	m := w.push(t, sim.Message{User: "ou_z", Group: "oc_g", At: true, Text: "你好"})
	c := w.replica(t, nil)
	lasting(t, c, m, "一")
	lasting(t, c, m, "一二")
	if shown := w.sim.Shown("oc_g")[0]; shown.Text != "<at id=ou_z></at>\n一" && shown.Text != "<at id=ou_z></at>\n一二" {
		t.Errorf("%q", shown.Text)
	}
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
	shown := w.await(t, "oc_g", 1)[0]
	if diff := cmp.Diff([]string{"ou_z"}, shown.Mentions); diff != "" || shown.Text != "<at id=ou_z></at>\n完" {
		t.Errorf("%q\n%s", shown.Text, diff)
	}
}

// TestBudget: what the platform has no room for is dropped while it grows, and waits when it is the answer. Replicas share the budget.
func TestBudget(t *testing.T) {
	w, m := asked(t, sim.Options{PerCard: -1}, nil)
	one, other := w.replica(t, nil), w.replica(t, nil)
	lasting(t, one, m, "零")
	dropped := 0
	for i := range 40 {
		err := show(t, []channel.Channel{one, other}[i%2], m, fmt.Sprint(i))
		if e, ok := errors.AsType[*chat.Error](err); ok {
			if e.Kind != chat.RateLimited || e.RetryAfter <= 0 {
				t.Fatal(err)
			}
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped: the platform would refuse it")
	}
	if err := answer(t, other, m, "完"); err != nil {
		t.Fatal(err)
	}
	if shown := w.await(t, chatOfZ, 1); shown[0].Text != "完" {
		t.Errorf("shown %+v", shown)
	}
}

// TestChatPace: a person who gets many messages gets all of them, and no faster than the platform allows.
func TestChatPace(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	c := w.replica(t, map[string]any{"card": "false"})
	parts, err := c.Parts(m, strings.Repeat(strings.Repeat("字", 5900)+"\n\n", 8), 1)
	if err != nil || len(parts) < 8 {
		t.Fatal(len(parts), err)
	}
	for _, p := range parts {
		if err := c.Send(t.Context(), m, p); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(w.await(t, chatOfZ, len(parts))); got != len(parts) {
		t.Errorf("%d of %d", got, len(parts))
	}
}

// TestLimited: a limit that the platform itself announces shuts the API for so long, and no other.
func TestLimited(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	c := w.replica(t, nil)
	w.sim.Inject(sim.Fault{API: "card", Code: 99991400, Message: "frequency"})
	for range 3 {
		e, ok := errors.AsType[*chat.Error](show(t, c, m, "一"))
		if !ok || e.Kind != chat.RateLimited || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
			t.Fatalf("%+v", e)
		}
	}
	if n := w.sim.Stats().Calls["card"]; n != 1 {
		t.Errorf("asked %d times", n)
	}
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
}

// TestRevoked: a token that the platform does not take any more is replaced.
func TestRevoked(t *testing.T) {
	w, m := asked(t, sim.Options{PerChat: -1}, nil)
	c := w.replica(t, nil)
	lasting(t, c, m, "一")
	w.sim.Revoke(testApp)
	lasting(t, c, m, "一二")
	w.sim.Revoke(testApp)
	if err := answer(t, c, m, "完"); err != nil {
		t.Fatal(err)
	}
	if n := w.sim.Stats().Calls["token"]; n != 3 {
		t.Errorf("fetched %d tokens, want 3", n)
	}
}

// TestWithdrawn: who takes a message back gets no answer, and nobody tries for ever.
func TestWithdrawn(t *testing.T) {
	w, m := asked(t, sim.Options{}, nil)
	w.sim.Withdraw(m.ID)
	if err := answer(t, w.replica(t, nil), m, "完"); chat.KindOf(err) != chat.NotFound {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	header := http.Header{"X-Ogw-Ratelimit-Reset": {"2.5"}}
	for _, tc := range []struct {
		status int
		code   int64
		kind   chat.Kind
		after  time.Duration
		maybe  bool
	}{
		{400, 99991663, chat.Unavailable, time.Second, false},
		{429, 99991400, chat.RateLimited, 2500 * time.Millisecond, false},
		{400, 230020, chat.RateLimited, 2500 * time.Millisecond, false},
		{400, 230011, chat.NotFound, 0, false},
		{400, 230022, chat.Rejected, 0, false},
		{400, 230025, chat.TooLarge, 0, false},
		{400, 99991672, chat.Forbidden, 0, false},
		{200, 10014, chat.Unauthenticated, 0, false},
		{500, 300120, chat.Unavailable, time.Second, true},
		{200, 4711, chat.Internal, 0, false},
		{400, 4711, chat.Invalid, 0, false},
		{502, 0, chat.Unavailable, 0, true},
		{401, 0, chat.Unauthenticated, 0, false},
		{403, 0, chat.Forbidden, 0, false},
		{404, 0, chat.NotFound, 0, false},
		{413, 0, chat.TooLarge, 0, false},
	} {
		t.Run(fmt.Sprint(tc.status, tc.code), func(t *testing.T) {
			e := errorOf("feishu.reply", tc.status, header, tc.code, "no\nway")
			if e.Kind != tc.kind || e.RetryAfter != tc.after || e.Maybe != tc.maybe || strings.Contains(e.Error(), "\n") {
				t.Errorf("%+v", e)
			}
		})
	}
	for _, odd := range []string{"", "-1", "soon", "1e9"} {
		if got := reset(http.Header{"X-Ogw-Ratelimit-Reset": {odd}}); got != time.Second {
			t.Errorf("reset %q: %v", odd, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name    string
		app     func(*sim.App)
		changes map[string]any
		says    []string // none: all is well
	}{
		{"well", nil, nil, nil},
		{"another secret", nil, map[string]any{"app_secret": "wrong"}, []string{"10014", "unauthenticated"}},
		{"another application", nil, map[string]any{"app_id": "cli_x"}, []string{"10003"}},
		{"stopped", func(a *sim.App) { a.Stopped = true }, nil, []string{"stopped the application"}},
		{"no cards", func(a *sim.App) { a.Scopes = []string{"im:message"} }, nil, []string{"cardkit:card:write", "card: false"}},
		{"no cards wanted", func(a *sim.App) { a.Scopes = []string{"im:message"} }, map[string]any{"card": "false"}, nil},
		{"nothing", func(a *sim.App) { a.Scopes = []string{} }, nil, []string{"im:message,", "im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, tc.app)
			d := w.deps() // what a command has that knows no Redis
			d.Tokens, d.Locks, d.Limits, d.Memo, d.Lead, d.Inbox = nil, nil, nil, nil, nil, nil
			checker, ok := newBot(t, d, tc.changes).(channel.Checker)
			if !ok {
				t.Fatal("no Checker")
			}
			err := checker.Check(t.Context())
			if (err == nil) != (tc.says == nil) {
				t.Fatalf("%v", err)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v says nothing of %s", err, want)
				}
			}
			if len(w.sim.Chats()) > 0 {
				t.Error("somebody saw it")
			}
		})
	}
}

// TestOneToken: replicas that start together ask for one token.
func TestOneToken(t *testing.T) {
	w, m := asked(t, sim.Options{PerChat: -1}, nil)
	done := make(chan error)
	for range 10 {
		c := w.replica(t, map[string]any{"card": "false"})
		go func() {
			parts, err := c.Parts(m, "完", 1)
			if err == nil {
				err = c.Send(t.Context(), m, parts[0])
			}
			done <- err
		}()
	}
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := w.sim.Stats().Calls["token"]; n != 1 {
		t.Errorf("fetched %d tokens", n)
	}
	if n := len(w.sim.Shown(chatOfZ)); n != 1 {
		t.Errorf("shown %d times", n)
	}
}
