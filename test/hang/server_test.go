package hang

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
)

// TestServerHangs stops one of two servers in the middle of turns. Its connections stay open and silent; its turns go on at the other, and
// new ones go there before long.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	s.routes(nil, nil)
	s.server("one")
	s.server("two")
	hung := s.server("hung")
	client := s.client("client", s.rig.Redis.Addr)
	s.eventually(10*time.Second, "usable servers", usable(ctx, client, 3))
	s.must(s.model.SetPace(ctx, llm.Pace{First: 2 * time.Second, Chunks: 4}))
	var running sync.WaitGroup
	ask := func(prefix string, n int, limit time.Duration) {
		for _, user := range people(prefix, n) {
			running.Go(func() {
				got, err := s.ask(user, question(user), 1)
				if err != nil || !answers(got, user) || got.took > limit {
					t.Errorf("%s was told %q after %v, %v", user, got.Content, got.took, err)
				}
			})
		}
	}
	// A server counts as hung after some 2.4 s of silence; then its turns begin anew elsewhere, with the model's 2 s.
	const late = 7*time.Second + slack
	begun := s.begun()
	ask("before", 30, late)
	s.eventually(20*time.Second, "turns in flight", begun(30))
	hung.Pause()
	ask("after", 30, late)
	running.Wait()
	s.eventually(10*time.Second, "usable servers", usable(ctx, client, 2))
	s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 4}))
	ask("later", 30, slack) // nobody asks the hung one any more
	running.Wait()
	hung.Resume()
	s.eventually(30*time.Second, "usable servers", usable(ctx, client, 3))
	s.eventually(10*time.Second, "streams at the model", func() string {
		if stats, err := s.model.Stats(ctx); err != nil || stats.Running > 0 {
			return fmt.Sprintf("%+v, %v", stats, err)
		}
		return ""
	})
}
