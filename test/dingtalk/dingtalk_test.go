package dingtalk

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sim "parley/internal/sim/dingtalk"
	"parley/internal/sim/llm"
)

func count(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// TestReplicasAreKilled lets people write, alone and in a group, while each replica in turn is killed and started again.
func TestReplicasAreKilled(t *testing.T) {
	const (
		people, each = 8, 8
		group        = "cidGroupOfTheRig=="
	)
	for name, set := range map[string]setting{
		"callbacks, webhooks": {mode: "callback"},
		"callbacks, cards":    {mode: "callback", card: true},
		"stream, cards":       {mode: "stream", card: true, sim: sim.Options{AckWithin: 3 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			set.pace = llm.Pace{Chunks: 6, Between: 250 * time.Millisecond}
			s := newStage(ctx, t, set)
			where := func(p int) (user, in, chat string) {
				if user = fmt.Sprint("p", p); p%4 == 3 {
					return user, group, group
				}
				return user, "", user
			}
			var wg sync.WaitGroup
			for p := range people {
				wg.Go(func() {
					for n := range each {
						user, in, _ := where(p)
						s.ask(user, in, n+1)
						time.Sleep(400 * time.Millisecond) // between two messages of a person
					}
				})
			}
			s.killEach(1200 * time.Millisecond)
			wg.Wait()
			all := func() bool {
				for p := range people {
					user, _, chat := where(p)
					list, whole := s.answers(user, chat)
					if !whole || len(list) < each && float64(each-len(list)) > s.metric("parley_ambiguous_sends_total") {
						return false
					}
				}
				return true
			}
			s.eventually(90*time.Second, "everybody has every answer, and no card is still being written", all)
			lost := 0
			for p := range people {
				user, _, chat := where(p)
				list, _ := s.answers(user, chat)
				if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
					t.Errorf("%s was shown the answers to %v", user, list)
				}
				lost += each - len(list)
			}
			ambiguous := s.metric("parley_ambiguous_sends_total")
			if float64(lost) > ambiguous || set.card && lost+int(ambiguous) > 0 {
				t.Errorf("%d answers are missing, %v are doubtful", lost, ambiguous)
			}
			if n := s.sim.Limited(); n > 0 {
				t.Errorf("the platform refused %d calls for their number", n)
			}
			cards, updates := 0, 0
			for p := range people {
				for _, m := range s.sim.Shown(appKey, fmt.Sprint("p", p)) {
					cards++
					updates += m.Updates
				}
			}
			if set.card && updates < cards+cards/2 { // each is written once at its end
				t.Errorf("%d cards were written %d times: hardly any partial text was shown", cards, updates)
			}
			t.Logf("%d messages, %d missing, %v doubtful; %d cards of single chats were written %d times", people*each, lost, ambiguous, cards, updates)
		})
	}
}

// TestSecretsChange lets the robot's secret change on the platform while people write: the document names both for a while, and nobody restarts
// anything.
func TestSecretsChange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "callback", pace: llm.Pace{Chunks: 1}})
	s.ask("zhang", "", 1)
	s.secret("DING_NEW", "the-new-secret-of-the-robot")
	s.document("[file:DING, file:DING_NEW]")
	s.eventually(30*time.Second, "callbacks of the new secret are taken", func() bool {
		s.must(s.sim.SignWith(appKey, "the-new-secret-of-the-robot"))
		p, err := s.sim.Say(ctx, appKey, "li", "/help")
		return err == nil && p.Acked
	})
	s.must(s.sim.SignWith(appKey, s.app.Secret)) // parts of the platform still have the old one
	s.ask("zhang", "", 2)
	s.app.Secret = "the-new-secret-of-the-robot"
	s.must(s.sim.AddApp(s.app))
	s.document("file:DING_NEW")
	s.ask("zhang", "", 3)
	s.eventually(30*time.Second, "all answers", func() bool {
		list, _ := s.answers("zhang", "zhang")
		return slices.Equal(list, count(3))
	})
	s.eventually(30*time.Second, "callbacks of the old secret are refused", func() bool {
		s.must(s.sim.SignWith(appKey, "secret-of-the-robot"))
		p, err := s.sim.Say(ctx, appKey, "li", "/help")
		return err == nil && !p.Acked && p.Tries[0].Status == 401
	})
}

// TestCheckSaysWhatIsMissing is what an administrator sees before people do.
func TestCheckSaysWhatIsMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newStage(ctx, t, setting{mode: "callback", card: true, pace: llm.Pace{Chunks: 1}})
	check := func() string {
		out, _ := s.rig.Parley(ctx, nil, "check", "--live", filepath.Join(s.rig.Dir, "client-1.yaml"), filepath.Join(s.dir, "tenant.acme.yaml"))
		return out
	}
	if out := check(); !strings.Contains(out, "channel ding") || strings.Contains(out, "Forbidden") {
		t.Errorf("with everything granted:\n%s", out)
	}
	s.app.Denied = []string{"/v1.0/card/streaming", "/v1.0/robot/oToMessages/batchSend"}
	s.must(s.sim.AddApp(s.app))
	if out := check(); !strings.Contains(out, "Card.Streaming.Write") || !strings.Contains(out, "qyapi_robot_sendmsg") || strings.Contains(out, "Card.Instance.Write") {
		t.Errorf("with two permissions missing:\n%s", out)
	}
	s.app.Secret = "changed"
	s.must(s.sim.AddApp(s.app))
	if out := check(); !strings.Contains(out, "invalidClientIdOrSecret") || strings.Contains(out, "secret-of-the-robot") {
		t.Errorf("with a wrong secret:\n%s", out)
	}
	if shown := len(s.sim.Shown(appKey, "parley-check")); shown > 0 {
		t.Error("somebody saw it")
	}
}
