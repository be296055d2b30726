package wecombot

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom/bot"
)

type question struct {
	user, message string
	n             int
}

// TestReplicasAreKilled lets people ask a bot that is called back while each replica in turn is killed and started again. Polls reach either of them.
// Every answer is seen once, in its stream or as a message.
func TestReplicasAreKilled(t *testing.T) {
	const people, each = 8, 10
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 5, Between: 100 * time.Millisecond}, bot.Options{AckWithin: 2 * time.Second, PollEvery: 300 * time.Millisecond, Again: 1})
	var mu sync.Mutex
	var asked []question
	var wg sync.WaitGroup
	for p := range people {
		user := fmt.Sprint("person", p)
		wg.Go(func() {
			for n := range each {
				q := question{user, s.ask(called, user, n+1), n + 1}
				mu.Lock()
				asked = append(asked, q)
				mu.Unlock()
				s.answered(called, user, q.message, q.n)
			}
		})
	}
	for i := range s.clients {
		time.Sleep(2 * time.Second) // of the people's asking
		s.clients[i].Kill()
		time.Sleep(500 * time.Millisecond) // of being away
		s.restart(i)
	}
	wg.Wait()
	s.eventually("all streams are finished", func() bool {
		for _, q := range asked {
			if state, _, ok := s.sim.Answer(q.message); !ok || !state.Finished {
				return false
			}
		}
		return true
	})
	besides, grew := 0, 0
	for _, q := range asked {
		f := s.answered(called, q.user, q.message, q.n)
		if f.besides > 1 || f.inStream == (f.besides == 1) {
			t.Errorf("%s's question %d: %+v", q.user, q.n, f)
		}
		besides += f.besides
	}
	for _, x := range s.sim.Shown(called, "") {
		if !x.Finished {
			grew++
		}
	}
	if len(asked) != people*each || grew < people*each {
		t.Errorf("%d questions, %d states of their streams before the last", len(asked), grew)
	}
	s.clean()
	t.Logf("%d questions, %d answered beside their stream, %d states before the last", len(asked), besides, grew)
}

// TestTheConnectionsHolderIsKilled kills, in the middle of answers, the replica that holds the bot's connection. The other connects within ten
// seconds, and every answer is seen once.
func TestTheConnectionsHolderIsKilled(t *testing.T) {
	const people = 12
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// The new connection cannot continue the old one's streams: what is not known of the platform is taken to be so, the harder one.
	s := newStage(ctx, t, llm.Pace{Chunks: 20, Between: 400 * time.Millisecond}, bot.Options{})
	var asked []question
	for p := range people {
		user := fmt.Sprint("person", p)
		asked = append(asked, question{user, s.ask(linked, user, 1), 1})
	}
	s.eventually("all answers grow", func() bool {
		for _, q := range asked {
			if len(s.sim.Shown(linked, q.user)) < 3 {
				return false
			}
		}
		return true
	})
	began, gone := time.Now(), s.holder()
	s.clients[gone].Kill()
	s.eventually("the platform sees it", func() bool { return !s.sim.Connected(linked) })
	s.eventually("another replica connects", func() bool { return s.sim.Connected(linked) })
	took := time.Since(began)
	if took > 15*time.Second { // 10 s, and the time of a busy machine
		t.Errorf("taken over after %v", took)
	}
	for _, q := range asked {
		s.answered(linked, q.user, q.message, q.n)
	}
	time.Sleep(3 * time.Second) // in which nothing may come a second time
	besides := 0
	for _, q := range asked {
		f := s.answered(linked, q.user, q.message, q.n)
		if f.besides > 1 || f.inStream == (f.besides == 1) {
			t.Errorf("%s: %+v", q.user, f)
		}
		besides += f.besides
	}
	s.clean()
	t.Logf("taken over after %v; %d of %d answers beside their streams", took.Round(10*time.Millisecond), besides, people)
	s.restart(gone)
	later := s.ask(linked, "later", 1)
	s.answered(linked, "later", later, 1)
}

// TestTheWindowEnds lets answers take longer than a stream may be changed: they come by response_url, or as messages, and the streams say so.
func TestTheWindowEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 50, Between: 400 * time.Millisecond}, bot.Options{Window: 12 * time.Second})
	byPoll, byLink := s.ask(called, "zhang", 1), s.ask(linked, "li", 1)
	for _, q := range []struct{ to, user, message string }{{called, "zhang", byPoll}, {linked, "li", byLink}} {
		if f := s.answered(q.to, q.user, q.message, 1); f.inStream || f.besides != 1 {
			t.Errorf("%s: %+v", q.user, f)
		}
	}
	if state, _, ok := s.sim.Answer(byPoll); !ok || !state.Finished {
		t.Errorf("the stream that was polled ended as %+v", state)
	}
	s.clean()
}

// TestCommands: what is answered without a model finishes its own stream, and a stop finishes that of the question which it stops.
func TestCommands(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newStage(ctx, t, llm.Pace{Chunks: 100, Between: 400 * time.Millisecond}, bot.Options{PollEvery: 200 * time.Millisecond})
	for _, to := range []string{called, linked} {
		long := s.ask(to, "zhang", 1)
		s.eventually("the answer grows", func() bool { return len(s.sim.Shown(to, "zhang")) > 2 })
		stop, err := s.sim.Say(ctx, to, "zhang", "/stop")
		s.must(err)
		for _, message := range []string{long, stop.ID} {
			s.eventually("the stream is finished", func() bool { state, _, ok := s.sim.Answer(message); return ok && state.Finished })
		}
		room, err := s.sim.Push(ctx, to, bot.Message{User: "li", Chat: "room", Text: "/status"})
		s.must(err)
		s.eventually("a command in a group is answered", func() bool { state, _, ok := s.sim.Answer(room.ID); return ok && state.Finished })
	}
	s.clean()
}
