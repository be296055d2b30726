package dingtalk

import (
	"context"
	"net/http"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

// A secret is exchanged with an overlap: callbacks of both are true, and those of neither are not.
func TestSecretsOverlap(t *testing.T) {
	s := newStage(t, sim.Options{})
	c := s.replica(map[string]any{"app_secret": []string{"the new one", testSecret}}).(*Callback)
	for secret, want := range map[string]bool{testSecret: true, "the new one": true, "another": false, "": false} {
		_, body, err := s.sim.Document(testKey, sim.Message{User: "zhang", Text: "x"}, time.Now())
		s.must(err)
		_, err = c.Open(t.Context(), channel.Delivery{Header: sim.Sign(secret, time.Now()), Body: body, Now: time.Now()})
		if (err == nil) != want || err != nil && chat.KindOf(err) != chat.Unauthenticated {
			t.Errorf("signed with %q: %v", secret, err)
		}
	}
	if got := c.api.secret.Reveal(); got != "the new one" {
		t.Errorf("the API is called with %q", got)
	}
}

func TestWindow(t *testing.T) {
	s := newStage(t, sim.Options{})
	now := time.Now()
	for window, ages := range map[string]map[time.Duration]bool{
		"5m":  {0: true, 4 * time.Minute: true, -4 * time.Minute: true, 6 * time.Minute: false, -6 * time.Minute: false},
		"30s": {20 * time.Second: true, time.Minute: false},
	} {
		c := s.replica(map[string]any{"window": window}).(*Callback)
		for age, want := range ages {
			header, body, err := s.sim.Document(testKey, sim.Message{User: "zhang", Text: "x"}, now.Add(-age))
			s.must(err)
			_, err = c.Open(t.Context(), channel.Delivery{Header: header, Body: body, Now: now})
			if (err == nil) != want || err != nil && chat.KindOf(err) != chat.Invalid {
				t.Errorf("window %s, %v old: %v", window, age, err)
			}
		}
	}
}

// A signature that comes with another body is counted, on whichever replica, and its message is taken: two true ones may share a millisecond.
func TestReusedSignaturesAreCounted(t *testing.T) {
	s := newStage(t, sim.Options{})
	a, b := s.replica(nil).(*Callback), s.replica(nil).(*Callback)
	at := time.Now()
	open := func(c *Callback, id string) {
		t.Helper()
		header, body, err := s.sim.Document(testKey, sim.Message{ID: id, User: "zhang", Text: id, NoWebhook: true, At: at}, at)
		s.must(err)
		opened, err := c.Open(t.Context(), channel.Delivery{Header: header, Body: body, Now: at})
		if err != nil || len(opened.Messages) != 1 || string(opened.Ack.Body) != "{}" {
			t.Fatalf("%+v, %v", opened, err)
		}
		s.eventually("the count is done", func() bool { return len(a.counting)+len(b.counting) == 0 })
	}
	open(a, "1")
	open(b, "1") // delivered again
	if n := s.metric("parley_dingtalk_signatures_reused_total"); n != 0 {
		t.Errorf("a repetition counts: %v", n)
	}
	open(b, "2")
	open(a, "3")
	if n := s.metric("parley_dingtalk_signatures_reused_total"); n != 2 {
		t.Errorf("counted %v, want 2", n)
	}
}

// What counts is no gate: without Redis, or with one that hangs, callbacks are taken.
func TestCallbacksDoNotWaitForTheCount(t *testing.T) {
	s := newStage(t, sim.Options{})
	d := s.deps()
	memo := &slowMemo{Memo: s.cache, hold: make(chan struct{})}
	defer close(memo.hold)
	d.Memo = memo
	c := newRobot(t, d, nil).(*Callback)
	began := time.Now()
	for range 2 * countAtOnce {
		s.hear(c, sim.Message{User: "zhang", Text: "x"})
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%v", took)
	}
	if len(c.counting) != countAtOnce {
		t.Errorf("%d counts run", len(c.counting))
	}
}

type slowMemo struct {
	channel.Memo
	hold chan struct{}
}

func (m *slowMemo) RememberFirst(context.Context, string, string, time.Duration) (string, error) {
	<-m.hold
	return "", chat.E(chat.Unavailable, "x", nil)
}

func TestChallenge(t *testing.T) {
	c := newStage(t, sim.Options{}).replica(nil).(*Callback)
	if body, err := c.Challenge(t.Context(), channel.Delivery{Header: http.Header{}}); body != nil || chat.KindOf(err) != chat.Invalid {
		t.Errorf("%q, %v", body, err)
	}
}

// In Stream mode nothing is posted, so nothing posted is taken.
func TestStreamTakesNoCallbacks(t *testing.T) {
	c := newStage(t, sim.Options{}).replica(map[string]any{"mode": "stream"})
	if _, ok := c.(channel.Callback); ok {
		t.Error("a robot in Stream mode opens callbacks")
	}
	if _, ok := newStage(t, sim.Options{}).replica(nil).(channel.Runner); ok {
		t.Error("a robot in HTTP mode holds a connection")
	}
}
