package hang

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
)

// forever is longer than anybody waits.
const forever = time.Hour

// TestWeComHangs lets the platform hang when a token is asked for and when a reply is sent. Each person is shown the answer, once; what was
// done without an answer is sent again, and the platform's duplicate check drops it.
func TestWeComHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	server := s.server("server")
	client := s.client("client", s.rig.Redis.Addr)
	const n = 20
	for _, tt := range []struct {
		name   string
		faults []wecom.Fault
		heal   time.Duration // after it, the faults end; 0: by themselves
		twice  int           // messages that came a second time, at least
	}{
		{"token", []wecom.Fault{{API: "gettoken", Times: -1, Delay: forever}}, 12 * time.Second, 0}, // first: afterwards there is a token
		{"not-sent", []wecom.Fault{{API: "message/send", Times: n, Delay: forever}}, 0, 0},
		{"sent", []wecom.Fault{{API: "message/send", Times: n, Hang: true}}, 0, n},
		{"dripped", []wecom.Fault{{API: "message/send", Times: n, Drip: time.Second}}, 0, n},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stage{T: t, ctx: ctx, rig: s.rig, company: s.company, model: s.model}
			sim, before := s.company.Sim, s.company.Sim.Stats()
			for _, f := range tt.faults {
				sim.Inject(f)
			}
			if tt.heal > 0 {
				time.AfterFunc(tt.heal, sim.Heal)
			}
			users := people(tt.name, n)
			var last time.Duration
			for user, got := range s.crowd(users) {
				if !answers(got, user) {
					t.Errorf("%s was told %q", user, got.Content)
				}
				last = max(last, got.took)
			}
			t.Logf("the last was told after %v", last.Round(10*time.Millisecond))
			s.answered(tt.name + "-after")
			s.eventually(time.Minute, "the second copies", func() string {
				if twice := sim.Stats().Duplicates - before.Duplicates; twice < tt.twice {
					return fmt.Sprintf("%d of %d", twice, tt.twice)
				}
				return ""
			})
			for _, user := range users {
				if shown := sim.Shown(s.company.App.Ref, user); len(shown) != 1 {
					t.Errorf("%s was shown %+v", user, shown)
				}
			}
			m, err := client.Metrics(ctx)
			if n := m.Sum("parley_parts_total", `result="sent"`); err != nil || n == 0 || n != m.Sum("parley_parts_total") {
				t.Errorf("%v of %v parts count as sent: %v", n, m.Sum("parley_parts_total"), err)
			}
		})
	}
	t.Run("leaving", func(t *testing.T) {
		s := &stage{T: t, ctx: ctx, rig: s.rig, company: s.company, model: s.model}
		s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 4}))
		before := s.company.Sim.Stats().Calls["message/send"]
		s.company.Sim.Inject(wecom.Fault{API: "message/send", Times: -1, Hang: true})
		users := people("leaving", n)
		for _, user := range users {
			_, err := s.company.Sim.Say(ctx, s.company.App.Ref, user, question(user))
			s.must(err)
		}
		s.eventually(10*time.Second, "replies on their way", func() string {
			if calls := s.company.Sim.Stats().Calls["message/send"] - before; calls < n {
				return fmt.Sprintf("%d of %d", calls, n)
			}
			return ""
		})
		s.leaves(client, 40*time.Second)
		s.company.Sim.Heal()
		client = s.client("successor", s.rig.Redis.Addr)
		s.eventually(time.Minute, "the successor sends again what may not have come", func() string {
			m, err := client.Metrics(ctx)
			if sent := m.Sum("parley_parts_total", `result="sent"`); err != nil || sent < n {
				return fmt.Sprintf("%v, %v", sent, err)
			}
			return ""
		})
		for _, user := range users {
			if shown := s.company.Sim.Shown(s.company.App.Ref, user); len(shown) != 1 || !answers(told{Sent: shown[0]}, user) {
				t.Errorf("%s was shown %+v", user, shown)
			}
		}
	})
	s.leaves(client, 30*time.Second)
	s.leaves(server, 30*time.Second)
}
