package hang

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
)

// TestRedisHangs lets Redis hang in the middle of turns: swallowed by the network, which loses what was asked, and stopped itself, which
// executes it later.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	server := s.server("server")
	way := newWire(t, s.rig.Redis.Addr, false)
	client := s.client("client", way.addr)
	stop := func(sig syscall.Signal) func() {
		return func() { s.must(syscall.Kill(s.rig.Redis.PID(), sig)) }
	}
	for _, tt := range []struct {
		name       string
		hang, mend func()
	}{
		{"swallowed", way.hang, way.mend},
		{"stopped", stop(syscall.SIGSTOP), stop(syscall.SIGCONT)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stage{T: t, ctx: ctx, rig: s.rig, company: s.company, model: s.model}
			s.must(s.model.SetPace(ctx, llm.Pace{First: 2 * time.Second, Chunks: 4, Between: 50 * time.Millisecond}))
			begun := s.begun()
			var running sync.WaitGroup
			for i := range 40 { // they are in flight when Redis begins to hang, and done before it ends
				running.Go(func() {
					s.answered(fmt.Sprintf("%s-running-%d", tt.name, i))
				})
			}
			s.eventually(20*time.Second, "turns in flight", begun(40))
			tt.hang()
			began := time.Now()
			for i := range 20 { // accepted by nobody: no 200 for what may be lost
				running.Go(func() { s.refused(fmt.Sprintf("%s-refused-%d", tt.name, i)) })
			}
			for time.Since(began) < 6*time.Second { // longer than the lease
				s.answersFast(client, "/healthz", http.StatusOK)
				s.answersFast(client, "/readyz", http.StatusOK)
				s.answersFast(client, "/metrics", http.StatusOK)
				time.Sleep(500 * time.Millisecond)
			}
			tt.mend()
			mended := time.Now()
			running.Wait()
			t.Logf("all were answered %v after Redis came back", time.Since(mended).Round(10*time.Millisecond))
			s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 4}))
			s.answered(tt.name + "-after")
		})
	}
	t.Run("leaving", func(t *testing.T) {
		s := &stage{T: t, ctx: ctx, rig: s.rig, company: s.company, model: s.model}
		s.must(s.model.SetPace(ctx, llm.Pace{First: time.Second, Chunks: 4}))
		begun := s.begun()
		var running sync.WaitGroup
		for i := range 20 {
			running.Go(func() { s.answered(fmt.Sprintf("leaving-%d", i)) })
		}
		s.eventually(20*time.Second, "turns in flight", begun(20))
		way.hang()
		s.leaves(client, 40*time.Second) // 20 s of grace, and 5 s to hand over
		way.mend()
		client := s.client("successor", way.addr)
		running.Wait() // it goes on with what the other could not finish
		s.leaves(client, 40*time.Second)
	})
	s.leaves(server, 30*time.Second)
}

// answered asks and fails unless the one thing that the person is shown is the answer.
func (s *stage) answered(user string) {
	s.Helper()
	if got, err := s.ask(user, question(user), 1); err != nil || !answers(got, user) {
		s.Errorf("%s was told %q, %v", user, got.Content, err)
	}
}

// refused posts while the store cannot write: each try is refused in time, after 1.5 s on a machine that has the time. Redis comes back before the platform gives up, and the last
// try is answered.
func (s *stage) refused(user string) {
	s.Helper()
	posted, err := s.company.Sim.Push(s.ctx, s.company.App.Ref, wecom.Message{User: user, Text: question(user)})
	if err != nil {
		s.Error(err)
		return
	}
	for i, try := range posted.Tries {
		if last := i == len(posted.Tries)-1; !last && (try.Status != http.StatusServiceUnavailable || try.Took > 4*time.Second) {
			s.Errorf("%s: try %d answered %d after %v", user, i, try.Status, try.Took)
		}
	}
	if len(posted.Tries) < 2 {
		s.Errorf("%s was accepted while Redis hung: %+v", user, posted.Tries)
	}
	shown, err := s.company.Sim.Await(s.ctx, s.company.App.Ref, user, 1)
	if err != nil || len(shown) != 1 || !answers(told{Sent: shown[0]}, user) {
		s.Errorf("%s was shown %+v, %v", user, shown, err)
	}
}
