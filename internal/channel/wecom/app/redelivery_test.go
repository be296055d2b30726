package app_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sim "parley/internal/sim/wecom"
)

func TestRedelivery(t *testing.T) {
	w := newWorld(t, sim.Options{})
	w.register(t, w.replica(t))
	w.inbox.Fail(errors.New("redis is away"))
	posted, err := w.sim.Say(t.Context(), ref, "zhang", "你好")
	if err == nil || posted.Acked || len(posted.Tries) != 3 {
		t.Fatalf("without a store: acknowledged %v after %d tries, %v", posted.Acked, len(posted.Tries), err)
	}
	for _, try := range posted.Tries {
		if try.Status != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", try.Status)
		}
	}
	w.inbox.Fail(nil)
	for range 2 { // the platform delivers it again, and once more than needed
		if posted, err = w.sim.Push(t.Context(), ref, posted.Message); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.inbox.Messages(); len(got) != 1 || got[0].ID != posted.ID {
		t.Errorf("accepted %+v, want message %s once", got, posted.ID)
	}
}

// TestReplicaDown: the application's entry has several replicas; one that is gone costs no try, one that hangs costs one.
func TestReplicaDown(t *testing.T) {
	w := newWorld(t, sim.Options{AckWithin: 3 * time.Second})
	gone := httptest.NewServer(nil)
	gone.Close()
	w.register(t, gone.URL, w.replica(t))
	for range 4 {
		posted, err := w.sim.Say(t.Context(), ref, "zhang", "你好")
		if err != nil || len(posted.Tries) != 1 {
			t.Errorf("%d tries, %v", len(posted.Tries), err)
		}
	}
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hung.Close()
	defer close(release)
	w.register(t, w.replica(t), hung.URL) // the second goes first
	posted, err := w.sim.Say(t.Context(), ref, "zhang", "再见")
	if err != nil || len(posted.Tries) != 2 {
		t.Errorf("%d tries, %v", len(posted.Tries), err)
	}
	if n := len(w.inbox.Messages()); n != 5 {
		t.Errorf("accepted %d, want 5", n)
	}
}

// TestWrongReceiver: neither another corp's nor another application's messages come in, and the answer says nothing.
func TestWrongReceiver(t *testing.T) {
	w := newWorld(t, sim.Options{Tries: 1})
	callback := w.replica(t)
	for _, other := range []sim.Ref{{CorpID: "wwother", AgentID: ref.AgentID}, {CorpID: ref.CorpID, AgentID: 1}} {
		if err := w.sim.AddApp(sim.App{Ref: other, Token: testToken, AESKey: testAESKey, Callbacks: []string{callback}}); err != nil {
			t.Fatal(err)
		}
		posted, _ := w.sim.Say(t.Context(), other, "zhang", "你好")
		if try := posted.Tries[0]; try.Status != http.StatusForbidden || try.Body != "Forbidden\n" {
			t.Errorf("%v: status %d, body %q", other, try.Status, try.Body)
		}
	}
	if got := w.inbox.Messages(); len(got) > 0 {
		t.Errorf("stored %+v", got)
	}
}
