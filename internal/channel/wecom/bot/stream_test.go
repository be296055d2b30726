package bot

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/channel/channeltest"
	"parley/internal/chat"
	"parley/internal/sim/wecom/bot"
)

// run makes one replica in stream mode and runs it; stop ends it.
func (s *stage) run(changes map[string]any) (c *Stream, stop func()) {
	s.Helper()
	all := map[string]any{"mode": "stream"}
	for k, v := range changes {
		all[k] = v
	}
	c = newBot(s.T, s.deps(), all).(*Stream)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	stop = func() { cancel(); <-done }
	s.Cleanup(stop)
	return c, stop
}

// connect is a bot with one replica, which is connected.
func (s *stage) connect() *Stream {
	s.Helper()
	s.add(bot.Bot{ID: testBot, Name: "小助手", Secret: testSecret})
	c, _ := s.run(nil)
	s.linked(true)
	return c
}

func (s *stage) linked(want bool) {
	s.Helper()
	s.eventually("the connection is as it should be", func() bool { return s.sim.Connected(testBot) == want })
}

func TestStreamMode(t *testing.T) {
	s := newStage(t, bot.Options{})
	s.connect()
	other, _ := s.run(nil) // it has no connection
	m := s.say("zhang", "你好")
	s.sees(m, other.words.thinking, false)
	s.must(other.Show(t.Context(), m, "<think>嗯</think>一"))
	s.sees(m, "一", false)
	s.must(s.answer(other, m, "一二三"))
	s.sees(m, "一二三", true)
	s.must(s.answer(other, m, "一二三"))
	if len(s.sim.Shown(testBot, "zhang")) != 3 {
		t.Errorf("shown %+v", s.sim.Shown(testBot, "zhang"))
	}
	if _, err := s.sim.Enter(t.Context(), testBot, "li"); err != nil {
		t.Fatal(err)
	}
	s.eventually("the welcome is shown", func() bool {
		seen := s.sim.Shown(testBot, "li")
		return len(seen) == 1 && seen[0].Text == other.welcome
	})
	s.clean()
}

// TestLongAnswersInStreamMode: what does not fit into the stream comes as messages.
func TestLongAnswersInStreamMode(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	for name, m := range map[string]bot.Message{"zhang": {User: "zhang", Text: "你好"}, "room": {User: "li", Chat: "room", Text: "你好"}} {
		got := s.push(m)
		text := strings.Repeat("很长的回答。", 3000)
		s.must(s.answer(c, got, text))
		state, _, _ := s.sim.Answer(got.ID)
		read := state.Text
		for _, n := range s.sim.Shown(testBot, "") {
			if n.Extra && (n.User == name || n.Chat == name) {
				read += n.Text
			}
		}
		if !state.Finished || read != text {
			t.Errorf("%s: read %d bytes of %d", name, len(read), len(text))
		}
	}
	s.clean()
}

// TestAnotherReplicaTakesOver: with the connection's holder gone, another connects; what the old connection brought is answered with a message.
func TestAnotherReplicaTakesOver(t *testing.T) {
	for name, keep := range map[string]bool{"requests live on": true, "requests die with their connection": false} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, bot.Options{KeepRequests: keep})
			s.add(bot.Bot{ID: testBot, Secret: testSecret})
			_, stop := s.run(nil)
			s.linked(true)
			m := s.say("zhang", "你好")
			stop()
			s.linked(false)
			second, _ := s.run(nil)
			s.linked(true)
			for range 2 {
				s.must(s.answer(second, m, "回答"))
			}
			if keep {
				s.sees(m, "回答", true)
			} else {
				s.eventually("a message", func() bool { return len(besides(s, "zhang")) == 1 })
			}
			if n := len(besides(s, "zhang")); keep == (n == 1) {
				t.Errorf("%d messages besides", n)
			}
			s.clean()
		})
	}
}

// besides are messages of their own to a person.
func besides(s *stage, user string) (texts []string) {
	for _, n := range s.sim.Shown(testBot, user) {
		if n.Extra {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// TestWindowInStreamMode: after the window nothing changes the stream; the answer is a message, once.
func TestWindowInStreamMode(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	m := s.say("zhang", "你好")
	s.sees(m, c.words.thinking, false)
	s.advance(6 * time.Minute)
	s.must(c.Show(t.Context(), m, "一"))
	for range 2 {
		s.must(s.answer(c, m, "回答"))
	}
	if got := besides(s, "zhang"); len(got) != 1 || got[0] != "回答" {
		t.Errorf("besides %q", got)
	}
	s.sees(m, c.words.thinking, false)
}

// TestThePlatformKnowsBetter: a stream that it does not let be changed any more, whatever the tenant's window says.
func TestThePlatformKnowsBetter(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	m := s.say("zhang", "你好")
	s.sees(m, c.words.thinking, false)
	s.sim.Inject(bot.Fault{API: "aibot_respond_msg", Code: 846608})
	for range 2 {
		s.must(s.answer(c, m, "回答"))
	}
	if got := besides(s, "zhang"); len(got) != 1 {
		t.Errorf("besides %q", got)
	}
}

func TestLostAnswersOfThePlatform(t *testing.T) {
	for name, tc := range map[string]struct {
		faults []bot.Fault
		stream string // in the end
		extra  int
	}{
		"the stream's frame was taken":      {[]bot.Fault{{API: "aibot_respond_msg", Lose: true}}, "回答", 0},
		"and nobody can change it any more": {[]bot.Fault{{API: "aibot_respond_msg", Lose: true}, {API: "aibot_respond_msg", Code: 846605}}, "回答", 0},
		"the message was taken": {[]bot.Fault{
			{API: "aibot_respond_msg", Code: 846605}, {API: "aibot_send_msg", Lose: true}, {API: "aibot_respond_msg", Code: 846605},
		}, "正在思考……", 1},
		"busy, then not": {[]bot.Fault{{API: "aibot_respond_msg", Code: -1}}, "回答", 0},
		"busy, then over": {[]bot.Fault{
			{API: "aibot_respond_msg", Code: 45009}, {API: "aibot_respond_msg", Code: 846608},
		}, "正在思考……", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, bot.Options{})
			c := s.connect()
			m := s.say("zhang", "你好")
			s.sees(m, c.words.thinking, false)
			for _, f := range tc.faults {
				s.sim.Inject(f)
			}
			err := s.answer(c, m, "回答")
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || !e.Kind.Retryable() || e.Kind == chat.RateLimited {
				t.Errorf("first: %+v; a chat's limit must not hold up others", err)
			}
			for range 2 {
				s.must(s.answer(c, m, "回答"))
			}
			s.sees(m, tc.stream, tc.stream == "回答")
			if got := besides(s, "zhang"); len(got) != tc.extra {
				t.Errorf("besides %q", got)
			}
		})
	}
}

// other opens a second connection as the same bot, with a memory of its own or Parley's, and tells when it has ended.
func (s *stage) other(c *Stream, memo channel.Memo) (ended <-chan struct{}) {
	s.Helper()
	other, shared := *c, *c.aiBot
	other.aiBot = &shared
	shared.memo = memo
	shared.metrics = newMetrics(nil, "another", "program")
	conn, err := other.dial(s.Context())
	s.must(err)
	l := newLink(&other, conn, "the-other")
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(func() { cancel(); <-done })
	go func() { defer close(done); _ = l.run(ctx) }()
	return done
}

func evictions(t *testing.T, c *Stream) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.metrics.evicted)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// TestEvictedByAStranger: a program that has the bot, too, is not fought at once, and an operator hears of it.
func TestEvictedByAStranger(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	began := time.Now()
	select {
	case <-s.other(c, channeltest.NewCache()): // Parley took the bot back
	case <-time.After(20 * time.Second):
		t.Fatal("Parley never connected again")
	}
	if took := time.Since(began); took < c.within.evicted[0] || evictions(t, c) != 1 {
		t.Errorf("taken back after %v, %v evictions", took, evictions(t, c))
	}
	m := s.say("zhang", "你好")
	s.must(s.answer(c, m, "回答"))
	s.sees(m, "回答", true)
}

// TestEvictedByAReplica: one that lost the role without knowing gives way.
func TestEvictedByAReplica(t *testing.T) {
	s := newStage(t, bot.Options{})
	s.add(bot.Bot{ID: testBot, Name: "小助手", Secret: testSecret})
	c := newBot(t, s.deps(), map[string]any{"mode": "stream"}).(*Stream)
	held := make(chan struct{})
	go func() { defer close(held); c.hold(t.Context()) }()
	s.linked(true)
	ended := s.other(c, s.cache)
	select {
	case <-held:
	case <-ended:
		t.Fatal("the replica with the role was evicted")
	case <-time.After(20 * time.Second):
		t.Fatal("the replica without the role does not give way")
	}
	if evictions(t, c) != 0 {
		t.Error("an operator hears of another program")
	}
}

func TestReconnect(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	for range 5 {
		s.sim.Drop(testBot)
		s.eventually("a message comes through again", func() bool {
			p, err := s.sim.Say(t.Context(), testBot, "zhang", "还在吗")
			if err != nil {
				return false
			}
			for range 50 {
				for _, m := range s.inbox.Messages() {
					if m.ID == p.ID {
						return s.answer(c, m, "在") == nil
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
			return false
		})
	}
	s.sim.Silence(true) // the network swallows everything: two pings without an answer end the connection
	s.eventually("the silent connection is left", func() bool { return !s.sim.Connected(testBot) })
	s.sim.Silence(false)
	s.linked(true)
}

// TestWrongSecret is said clearly, is not tried in a hurry, and prints nothing.
func TestWrongSecret(t *testing.T) {
	s := newStage(t, bot.Options{})
	s.add(bot.Bot{ID: testBot, Secret: "another"})
	c := newBot(t, s.deps(), map[string]any{"mode": "stream"}).(*Stream)
	err := c.serve(t.Context())
	if chat.KindOf(err) != chat.Unauthenticated || strings.Contains(err.Error(), testSecret) {
		t.Errorf("%v", err)
	}
	s.must(c.Check(t.Context())) // which proves the way there alone
	if chat.KindOf(newBot(t, s.closed(), map[string]any{"mode": "stream"}).(*Stream).Check(t.Context())) != chat.Unavailable {
		t.Error("nobody is there, and Check does not say so")
	}
}

// TestUnstored: a message that the store does not take is kept for a while; then its sender is told.
func TestUnstored(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	s.inbox.Fail(errors.New("redis is away"))
	p, err := s.sim.Say(t.Context(), testBot, "zhang", "一")
	s.must(err)
	time.Sleep(50 * time.Millisecond)
	s.inbox.Fail(nil)
	s.eventually("the message is stored after all", func() bool { return len(s.inbox.Messages()) == 1 })
	s.inbox.Fail(errors.New("redis is away"))
	lost, err := s.sim.Say(t.Context(), testBot, "zhang", "二")
	s.must(err)
	s.sees(chat.Message{ID: lost.ID}, c.words.unstored, true)
	s.sees(chat.Message{ID: p.ID}, c.words.thinking, false)
}

// TestBudget: updates leave room for answers, and are dropped when a chat's minute is full.
func TestBudget(t *testing.T) {
	s := newStage(t, bot.Options{})
	c := s.connect()
	m := s.push(bot.Message{User: "zhang", Chat: "room", Text: "你好"})
	shown := 0
	for range 30 {
		err := c.Show(t.Context(), m, "一")
		if err == nil {
			shown++
		} else if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.Overloaded || e.RetryAfter <= 0 || e.RetryAfter > inLine {
			t.Fatalf("%+v", err)
		}
	}
	if shown < forUpdates-2 || shown > forUpdates {
		t.Errorf("%d updates", shown)
	}
	for i := range forAnswers - forUpdates { // of everybody in the room
		other := s.push(bot.Message{User: "li", Chat: "room", Text: "你好"})
		began := time.Now()
		s.must(s.answer(c, other, "回答"))
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("answer %d waited %v for its place", i, took)
		}
	}
}

// TestOrder: the messages of one conversation are stored in the order in which they came.
func TestOrder(t *testing.T) {
	s := newStage(t, bot.Options{Window: time.Millisecond})
	s.connect()
	var wg sync.WaitGroup
	for _, user := range []string{"a", "b", "c"} {
		wg.Go(func() {
			for _, text := range strings.Split("一二三四五六七八九", "") {
				if _, err := s.sim.Push(t.Context(), testBot, bot.Message{User: user, Text: text, Type: "text"}); err != nil {
					t.Log(err)
				}
			}
		})
	}
	wg.Wait()
	got := map[string]string{}
	s.eventually("all are stored", func() bool {
		clear(got)
		for _, m := range s.inbox.Messages() {
			got[m.User] += m.Text
		}
		return len(got["a"]+got["b"]+got["c"]) >= 9
	})
	for user, text := range got {
		if !strings.HasPrefix("一二三四五六七八九", text) {
			t.Errorf("%s: %s", user, text)
		}
	}
}
