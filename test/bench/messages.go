package main

import (
	"context"
	"errors"
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
	crew
	Fsync    string        `json:"appendfsync"`
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
	Asked     ledgerCounts       `json:"ledger"`
	Ack       crowd.Latency      `json:"ack"`
	Reply     crowd.Latency      `json:"reply"`
	Steps     []taken            `json:"steps"`
	CPU       map[string]float64 `json:"cpu_us_per_message"`
	Chain     float64            `json:"chain_cpu_us_per_message"`
	Ledger    string             `json:"ledger_text"`
}

func (b messages) run(ctx context.Context, g *rig.Rig) (*messagesResult, error) {
	people := crowd.New()
	p := past{turns: b.History, chars: b.Chars}
	for i := range b.People {
		p.names = append(p.names, b.name(i))
	}
	s, err := newStageOf(ctx, g, people.Shown, rig.ModelOptions{Pace: llm.Pace{Chunks: b.Chunks}, Chars: b.Chars}, b.crew, func(c rig.Company) error {
		g.Logf("messages: %d people with %d turns before", b.People, b.History)
		return p.before(ctx, g, c, people)
	})
	if err != nil {
		return nil, err
	}
	s.warm(ctx, people, 200)
	g.Logf("messages: %s from now", b.For)
	profiled := b.profiles.during(ctx, s, "messages", b.For)
	m, err := s.measure(ctx)
	if err != nil {
		return nil, err
	}
	n, err := b.talk(ctx, s, people, func() bool { return time.Since(m.began) < b.For })
	if err != nil {
		return nil, err
	}
	cost, err := m.end(ctx, n)
	if err := errors.Join(err, profiled()); err != nil {
		return nil, err
	}
	people.Settle(ctx, time.Second)
	list, r := people.Since(m.began), people.Check(s.company.Window)
	return &messagesResult{messages: b, PerSecond: float64(n) / cost.took.Seconds(), Messages: n, Asked: counts(r), Ack: crowd.Acks(list),
		Reply: crowd.Replies(list), Steps: cost.steps, CPU: cost.cpu, Chain: chain(cost.cpu), Ledger: r.String()}, ctx.Err()
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
