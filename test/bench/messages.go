package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// messages is a closed loop: so many questions are open at once, asked by everybody in turn; the model answers at once. People come with full
// histories, which is what costs. There are so many that none is at WeCom's pace for one member (15 a minute).
type messages struct {
	People   int           `json:"people"`
	AtOnce   int           `json:"at_once"`
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
	p := past{turns: b.History, chars: b.Chars}
	for i := range b.People {
		p.names = append(p.names, b.name(i))
	}
	s, err := newStageAfter(ctx, g, people.Shown, rig.ModelOptions{Pace: llm.Pace{Chunks: b.Chunks}, Chars: b.Chars}, func(c rig.Company) error {
		g.Logf("messages: %d people with %d turns before", b.People, b.History)
		return p.before(ctx, g, c, people)
	})
	if err != nil {
		return nil, err
	}
	g.Logf("messages: %s from now", b.For)
	profiled := b.profiles.during(ctx, s, "messages", b.For)
	before, began := s.usage(), time.Now()
	n, err := b.talk(ctx, s, people, func() bool { return time.Since(began) < b.For })
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

func (messages) name(i int) string { return fmt.Sprintf("m%05d", i+1) }

// talk has so many at once ask, everybody in turn and again, as long as more says so, and gives how many questions were answered.
func (b messages) talk(ctx context.Context, s *stage, people *crowd.Crowd, more func() bool) (int, error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, b.AtOnce), make([]error, b.AtOnce)
	var turn atomic.Int64
	for i := range b.AtOnce {
		wg.Go(func() {
			for more() && errs[i] == nil {
				n := int(turn.Add(1)) - 1
				id := ledger.ID{Person: b.name(n % b.People), N: b.History + n/b.People + 1}
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
