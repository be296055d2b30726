package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// callbacks is an open loop: messages leave when they are due, however slow the answers are.
type callbacks struct {
	Rate   int           `json:"rate"`
	For    time.Duration `json:"for_ns"`
	People int           `json:"people"`

	profiles profiles
}

type callbacksResult struct {
	callbacks
	Messages int                `json:"messages"`
	OK       int                `json:"answered_200"`
	FirstTry int                `json:"answered_200_at_once"`
	Answered int                `json:"answered_once"`
	Faults   int                `json:"ledger_faults"`
	Late     crowd.Latency      `json:"left_late"` // of the load itself: due → posted
	Ack      crowd.Latency      `json:"ack"`       // due → 200
	Reply    crowd.Latency      `json:"reply"`     // due → shown
	Model    llm.Pace           `json:"model_pace"`
	CPU      map[string]float64 `json:"cpu_us_per_message"`
	Ledger   string             `json:"ledger"`
}

func (b callbacks) run(ctx context.Context, g *rig.Rig) (*callbacksResult, error) {
	pace := llm.Pace{First: 50 * time.Millisecond, Between: 10 * time.Millisecond, Chunks: 10}
	warm, people := crowd.New(), crowd.New()
	shown := newFork(warm)
	s, err := newStage(ctx, g, shown.show, rig.ModelOptions{Pace: pace})
	if err != nil {
		return nil, err
	}
	s.warm(ctx, warm, 50)
	shown.to(people)
	g.Logf("callbacks: %d a second for %s from %d people", b.Rate, b.For, b.People)
	before := s.usage()
	n := int(b.For.Seconds() * float64(b.Rate))
	profiled := b.profiles.during(ctx, s, "callbacks", b.For)
	b.post(ctx, s, people, n)
	if err := profiled(); err != nil {
		return nil, err
	}
	settle, cancel := context.WithTimeout(ctx, time.Minute)
	people.Settle(settle, time.Second)
	cancel()
	after := s.usage()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	list, r := people.Messages(), people.Check(s.company.Window)
	res := &callbacksResult{callbacks: b, Messages: r.Asked, OK: r.Acked, Answered: r.Answered, Faults: len(r.Faults), Model: pace,
		Ack: crowd.Acks(list), Reply: crowd.Replies(list), CPU: perMessage(before, after, n), Ledger: r.String()}
	var late []time.Duration
	for _, m := range list {
		late = append(late, m.Begun.Sub(m.Due))
		if m.Tries == 1 && !m.Acked.IsZero() {
			res.FirstTry++
		}
	}
	res.Late = crowd.Summarize(late)
	return res, nil
}

// post lets message i leave at its time. A person speaks every People/Rate seconds.
func (b callbacks) post(ctx context.Context, s *stage, people *crowd.Crowd, n int) {
	began := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(b.Rate))
		if d := time.Until(due); d > 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		id := ledger.ID{Person: fmt.Sprintf("c%05d", i%b.People+1), N: i/b.People + 1}
		wg.Add(1)
		go func() {
			defer wg.Done()
			people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, due)
		}()
	}
	wg.Wait()
}
