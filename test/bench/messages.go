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

// messages is a closed loop: so many people talk at once, each asks again when answered, the model answers at once. They come with full
// histories, which is what costs.
type messages struct {
	People   int           `json:"people"`
	For      time.Duration `json:"for_ns"`
	History  int           `json:"turns_before"`
	Chars    int           `json:"characters_of_an_answer"`
	Chunks   int           `json:"chunks_of_an_answer"`
	profiles profiles
}

type messagesResult struct {
	messages
	PerSecond float64            `json:"messages_per_second"`
	Messages  int                `json:"messages"`
	Answered  int                `json:"answered_once"`
	Faults    int                `json:"ledger_faults"`
	Ack       crowd.Latency      `json:"ack"`
	Reply     crowd.Latency      `json:"reply"`
	CPU       map[string]float64 `json:"cpu_us_per_message"`
	Chain     float64            `json:"chain_cpu_us_per_message"`
	Ledger    string             `json:"ledger"`
}

func (b messages) run(ctx context.Context, g *rig.Rig) (*messagesResult, error) {
	people := crowd.New()
	s, err := newStage(ctx, g, people.Shown, rig.ModelOptions{Pace: llm.Pace{Chunks: b.Chunks}, Chars: b.Chars})
	if err != nil {
		return nil, err
	}
	g.Logf("messages: %d people, %d turns before", b.People, b.History)
	if _, err := b.talk(ctx, s, people, 1, func(n int) bool { return n <= b.History }); err != nil {
		return nil, err
	}
	g.Logf("messages: %s from now", b.For)
	profiled := b.profiles.during(ctx, s, "messages", b.For)
	before, began := s.usage(), time.Now()
	n, err := b.talk(ctx, s, people, b.History+1, func(int) bool { return time.Since(began) < b.For })
	took, after := time.Since(began), s.usage()
	if err != nil {
		return nil, err
	}
	if err := profiled(); err != nil {
		return nil, err
	}
	people.Settle(ctx, time.Second)
	var list []crowd.Message
	for _, m := range people.Messages() {
		if !m.Due.Before(began) {
			list = append(list, m)
		}
	}
	r := people.Check(s.company.Window)
	res := &messagesResult{messages: b, PerSecond: float64(n) / took.Seconds(), Messages: n, Answered: r.Answered, Faults: len(r.Faults),
		Ack: crowd.Acks(list), Reply: crowd.Replies(list), CPU: perMessage(before, after, n), Ledger: r.String()}
	res.Chain = res.CPU["client"] + res.CPU["server"] + res.CPU["redis"]
	return res, ctx.Err()
}

// talk has everybody ask one question after the other, from the first-th on, as long as more says so, and gives how many were answered.
func (b messages) talk(ctx context.Context, s *stage, people *crowd.Crowd, first int, more func(n int) bool) (int, error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, b.People), make([]error, b.People)
	for i := range b.People {
		wg.Go(func() {
			for n := first; more(n) && errs[i] == nil; n++ {
				id := ledger.ID{Person: fmt.Sprintf("m%05d", i+1), N: n}
				people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now())
				wait, cancel := context.WithTimeout(ctx, time.Minute)
				errs[i] = people.Await(wait, id)
				cancel()
				counts[i]++
			}
		})
	}
	wg.Wait()
	total := 0
	for i := range counts {
		total += counts[i]
		if errs[i] != nil {
			return total, errs[i]
		}
	}
	return total, nil
}
