package kf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel/wecom/kf"
	"parley/internal/sim/wecom"
	sim "parley/internal/sim/wecom/kf"
)

// turn changes zhang's session; nobody hears the callback.
func (w *world) turn(t *testing.T, state int) {
	t.Helper()
	_, _ = w.Turn(t.Context(), account, "wmZhang", state)
}

func TestAHumansSessionIsLeftAlone(t *testing.T) {
	for _, tc := range []struct {
		name  string
		do    func(t *testing.T, w *world, k *kf.KF)
		want  []string
		alone int // messages that are left to the human
	}{
		{"from the beginning", func(t *testing.T, w *world, k *kf.KF) {
			w.AddAccount(sim.Account{Ref: ref, OpenKFID: account, Human: true})
			w.ringAndFetch(t, k, "一")
		}, nil, 1},
		{"the robot's", func(t *testing.T, w *world, k *kf.KF) {
			w.known(t)
			w.turn(t, sim.StateRobot)
			w.ringAndFetch(t, k, "一")
		}, []string{"一"}, 0},
		{"waits for a human", func(t *testing.T, w *world, k *kf.KF) {
			w.known(t)
			w.turn(t, sim.StateWaiting)
			w.ringAndFetch(t, k, "一")
		}, nil, 1},
		{"taken over", func(t *testing.T, w *world, k *kf.KF) {
			w.ringAndFetch(t, k, "一")
			w.turn(t, sim.StateHuman)
			w.ringAndFetch(t, k, "二")
		}, []string{"一"}, 1},
		{"taken over, written and given back", func(t *testing.T, w *world, k *kf.KF) {
			w.ringAndFetch(t, k, "一")
			w.turn(t, sim.StateHuman)
			w.ringAndFetch(t, k, "二")
			w.turn(t, sim.StateEnded)
			w.ringAndFetch(t, k, "三")
		}, []string{"一", "三"}, 1},
		{"ended before it was fetched", func(t *testing.T, w *world, k *kf.KF) {
			w.known(t)
			w.turn(t, sim.StateNew)
			if _, err := w.Whisper(account, "wmZhang", "一", w.now()); err != nil {
				t.Fatal(err)
			}
			w.turn(t, sim.StateEnded)
			w.ringAndFetch(t, k, "")
		}, nil, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			tc.do(t, w, w.channel(t))
			if diff := cmp.Diff(tc.want, texts(w.inbox.Messages())); diff != "" {
				t.Error(diff)
			}
			const name = "parley_wecomkf_messages_total"
			if left, took := w.count(t, name, "human"), w.count(t, name, "accepted"); took != float64(len(tc.want)) || left != float64(tc.alone) {
				t.Errorf("counted %v left alone and %v accepted", left, took)
			}
		})
	}
}

// TestTheStateIsAskedForSeldom: a customer who writes often is asked about once.
func TestTheStateIsAskedForSeldom(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	for _, text := range []string{"一", "二", "三"} {
		w.ringAndFetch(t, k, text)
	}
	if n := w.platform.Stats().Calls["kf/service_state/get"]; n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestManyCustomersOnAPage: their states are asked for side by side, each once, and each customer has their own.
func TestManyCustomersOnAPage(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	const people = 90
	var want []string
	for i := range people {
		user := fmt.Sprint("wm", i)
		for range 2 {
			if _, err := w.Whisper(account, user, user, w.now()); err != nil {
				t.Fatal(err)
			}
		}
		if i%15 == 0 {
			if _, err := w.Turn(t.Context(), account, user, sim.StateWaiting); err == nil {
				t.Fatal("there is no callback, and it was acknowledged")
			}
		} else {
			want = append(want, user, user)
		}
	}
	w.ringAndFetch(t, k, "")
	if diff := cmp.Diff(want, texts(w.inbox.Messages())); diff != "" {
		t.Error(diff)
	}
	if n := w.platform.Stats().Calls["kf/service_state/get"]; n != people {
		t.Errorf("asked %d times, want %d", n, people)
	}
}

// TestTheStateMayNotBeAsked: a permission that is missing there stops no customer; the platform itself refuses to send into a human's session.
func TestTheStateMayNotBeAsked(t *testing.T) {
	w := newWorld(t, sim.Options{})
	k := w.channel(t)
	w.platform.Inject(wecom.Fault{API: "kf/service_state/get", Code: 48002, Message: "api forbidden", Times: -1})
	w.ringAndFetch(t, k, "一")
	if got := texts(w.inbox.Messages()); len(got) != 1 || !strings.Contains(w.logged.String(), "48002") {
		t.Errorf("%v\n%s", got, w.logged)
	}
}
