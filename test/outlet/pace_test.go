package outlet

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/wecom"
)

// TestAMemberWhoWritesALot writes faster than WeCom lets an application answer: more than 30 messages a minute are dropped without a word.
// Questions, commands and what is no text are answered by two replicas, of which both die in between. Nobody misses a reply, and all are in order.
func TestAMemberWhoWritesALot(t *testing.T) {
	const (
		people   = 3
		messages = 36 // of each: over the limit by 6, if they were answered as they come
	)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	var wg sync.WaitGroup
	for p := range people {
		user := fmt.Sprint("eager", p)
		wg.Go(func() {
			for i := range messages {
				switch i % 6 {
				case 2:
					s.say(user, "/help")
				case 4:
					s.image(user)
				default:
					s.ask(user, i)
				}
			}
		})
	}
	wg.Wait()
	s.killAll()
	var questions []int
	for i := range messages {
		if i%6 != 2 && i%6 != 4 {
			questions = append(questions, i)
		}
	}
	for p := range people {
		user := fmt.Sprint("eager", p)
		shown := s.await(user, messages)
		if len(shown) != messages {
			t.Errorf("%s was shown %d replies to %d messages; dropped: %+v", user, len(shown), messages, s.company.Sim.Lost(s.company.App.Ref, user))
		}
		s.inOrder(user, shown, questions...)
		if len(shown) == 0 {
			continue
		}
		if took := shown[len(shown)-1].At.Sub(shown[0].At); took < time.Minute {
			t.Errorf("%s got all within %v: the limit was not met", user, took)
		}
	}
	stats := s.company.Sim.Stats()
	if stats.Limited > 0 {
		t.Errorf("the platform dropped %d messages over a member's limit", stats.Limited)
	}
	t.Logf("%+v; replies waited %.0f s in all for their pace", stats, s.metric("parley_pace_wait_seconds_total"))
}

// image posts what is answered with a text and without the model.
func (s *stage) image(user string) {
	s.Helper()
	if _, err := s.company.Sim.Push(s.ctx, s.company.App.Ref, wecom.Message{User: user, Type: "image"}); err != nil {
		s.Error(err)
	}
}
