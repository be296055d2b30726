package wecomkf

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/internal/sim/wecom/kf"
)

func count(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// TestReplicasAreKilled lets customers write while each replica in turn is killed and started again. Nobody misses an answer or gets one twice.
func TestReplicasAreKilled(t *testing.T) {
	const people, each = 8, 12
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 3, Between: 100 * time.Millisecond})
	var wg sync.WaitGroup
	for p := range people {
		user := fmt.Sprint("wm", p)
		wg.Go(func() {
			for n := range each {
				s.ask(user, n+1)
				s.await(user, n+1-2) // at most two unanswered: five messages pass for each of theirs
			}
		})
	}
	for i := range s.clients {
		time.Sleep(1500 * time.Millisecond) // of the customers' writing
		s.kill(i)
		time.Sleep(500 * time.Millisecond) // of being away
		s.restart(i)
	}
	wg.Wait()
	for p := range people {
		s.inOrder(fmt.Sprint("wm", p), count(each)...)
	}
	stats := s.kf.Stats()
	if stats.Shown != people*each {
		t.Errorf("%d messages shown, want %d", stats.Shown, people*each)
	}
	t.Logf("%+v", stats)
}

// TestKilledBetweenAcknowledgementAndFetching stops the platform from handing out messages, lets callbacks be acknowledged, and kills all who heard
// them. Whoever comes next fetches what they promised to fetch.
func TestKilledBetweenAcknowledgementAndFetching(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 1})
	s.ask("wmBefore", 1)
	s.inOrder("wmBefore", 1)
	s.platform.Inject(wecom.Fault{API: "kf/sync_msg", Hang: true, Times: -1})
	for p := range 4 {
		s.ask(fmt.Sprint("wm", p), 1)
	}
	s.kill(0)
	s.kill(1)
	s.platform.Heal()
	s.restart(1)
	for p := range 4 {
		s.inOrder(fmt.Sprint("wm", p), 1)
	}
	if stats := s.kf.Stats(); stats.Shown != 5 {
		t.Errorf("%+v", stats)
	}
}

// TestFiveForEach lets a customer write seven times before the first answer: the platform lets five messages through after the last of them. The
// rest waits until the customer writes again, also across a kill, and then comes in order.
func TestFiveForEach(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{First: 10 * time.Second, Chunks: 2})
	for n := range 7 {
		s.ask("wmEager", n+1)
	}
	s.must(s.model.SetPace(ctx, llm.Pace{Chunks: 2, Between: 1500 * time.Millisecond}))
	s.inOrder("wmEager", count(5)...)
	s.eventually("the sixth is refused", func() bool { return s.kf.Stats().Refused[95001] > 0 })
	s.kill(0)
	s.kill(1)
	s.restart(0)
	time.Sleep(15 * time.Second) // of waiting, in which the platform is not asked again and again
	if n := s.kf.Stats().Refused[95001]; n > 2 {
		t.Errorf("the platform refused %d times", n)
	}
	s.ask("wmEager", 8)
	s.inOrder("wmEager", count(8)...)
}

// TestAHumanServes: what a human servicer has taken over is left alone, and Parley answers again when that session is over.
func TestAHumanServes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 1})
	turn := func(state int) {
		t.Helper()
		_, err := s.kf.Turn(ctx, account, "wmZhang", state)
		s.must(err)
	}
	if _, err := s.kf.Enter(ctx, account, "wmZhang"); err != nil {
		t.Fatal(err)
	}
	if shown := s.await("wmZhang", 1); len(shown) != 1 || !shown[0].Welcome {
		t.Fatalf("shown %+v, want a welcome", shown)
	}
	s.ask("wmZhang", 1)
	s.await("wmZhang", 2)
	turn(kf.StateHuman)
	s.ask("wmZhang", 2)
	_, err := s.kf.Serve(ctx, account, "wmZhang", "我是人工客服")
	s.must(err)
	s.ask("wmZhang", 3)
	turn(kf.StateEnded)
	s.ask("wmZhang", 4)
	shown := s.await("wmZhang", 3)
	if len(shown) != 3 {
		t.Fatalf("shown %+v", shown)
	}
	asked, err := s.model.Stats(ctx)
	s.must(err)
	t.Logf("%+v, model %+v", s.kf.Stats(), asked)
	if n := s.kf.Stats().Refused[95018]; n > 0 {
		t.Errorf("sent %d times into a human's session", n)
	}
}
