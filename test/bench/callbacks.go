package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// callbacks is an open loop: messages leave when they are due, however slow the answers are. Slices of it take turns with slices in which
// this process calls the store's accept at the same rate and nothing else happens: what an acknowledgement cannot be below.
type callbacks struct {
	crew
	Rate    int           `json:"rate"`
	For     time.Duration `json:"for_ns"`
	People  int           `json:"people"`
	History int           `json:"turns_before"`
	Chars   int           `json:"characters_of_an_answer"`
	Chunks  int           `json:"chunks_of_an_answer"`

	profiles profiles
}

type callbacksResult struct {
	callbacks
	Messages int                `json:"messages"`
	OK       int                `json:"answered_200"`
	FirstTry int                `json:"answered_200_at_once"`
	Asked    ledgerCounts       `json:"ledger"`
	Late     crowd.Latency      `json:"left_late"` // of the load itself: due → posted
	Ack      crowd.Latency      `json:"ack"`       // due → 200
	Bare     crowd.Latency      `json:"bare_accept"`
	Reply    crowd.Latency      `json:"reply"` // due → shown
	Steps    []taken            `json:"steps"`
	CPU      map[string]float64 `json:"cpu_us_per_message"`
	Chain    float64            `json:"chain_cpu_us_per_message"`
	Ledger   string             `json:"ledger_text"`
}

// sliceOfCallbacks is how long each of the two goes on before the other has its turn.
const sliceOfCallbacks = 5 * time.Second

func (b callbacks) run(ctx context.Context, g *rig.Rig) (*callbacksResult, error) {
	people := crowd.New()
	p := past{turns: b.History, chars: b.Chars}
	for i := range b.People {
		p.names = append(p.names, b.name(i))
	}
	s, err := newStageOf(ctx, g, people.Shown, rig.ModelOptions{Pace: llm.Pace{Chunks: b.Chunks}, Chars: b.Chars}, b.crew, func(c rig.Company) error {
		g.Logf("callbacks: %d people with %d turns before", b.People, b.History)
		return p.before(ctx, g, c, people)
	})
	if err != nil {
		return nil, err
	}
	floor, err := openAccepts(g)
	if err != nil {
		return nil, err
	}
	defer floor.store.Close()
	s.warm(ctx, people, 200)
	floor.slice(ctx, b.Rate, b.Rate)
	floor.took = nil
	g.Logf("callbacks: %d a second for %s from %d people, in slices, and as many bare accepts", b.Rate, b.For, b.People)
	profiled := b.profiles.during(ctx, s, "callbacks", 2*b.For)
	m, err := s.measure(ctx)
	if err != nil {
		return nil, err
	}
	n := int(b.For.Seconds() * float64(b.Rate))
	each := min(n, int(sliceOfCallbacks.Seconds()*float64(b.Rate)))
	used := spent{}
	for i := 0; i < n && ctx.Err() == nil; i += each {
		before := s.usage()
		b.post(ctx, s, people, i, min(each, n-i))
		settle, cancel := context.WithTimeout(ctx, time.Minute)
		people.Settle(settle, 0)
		cancel()
		used.add(before, s.usage())
		floor.slice(ctx, b.Rate, min(each, n-i))
	}
	cost, err := m.end(ctx, n)
	if err := errors.Join(err, profiled(), ctx.Err(), floor.err); err != nil {
		return nil, err
	}
	cost.cpu = used.each(n)
	people.Settle(ctx, time.Second)
	list, r := people.Since(m.began), people.Check(s.company.Window)
	res := &callbacksResult{callbacks: b, Messages: len(list), Asked: counts(r), Late: crowd.Lates(list), Ack: crowd.Acks(list),
		Bare: crowd.Summarize(floor.took), Reply: crowd.Replies(list), Steps: cost.steps, CPU: cost.cpu, Chain: chain(cost.cpu), Ledger: r.String()}
	for _, m := range list {
		if !m.Acked.IsZero() {
			res.OK++
			if m.Tries == 1 {
				res.FirstTry++
			}
		}
	}
	return res, nil
}

func (callbacks) name(i int) string { return fmt.Sprintf("c%05d", i+1) }

// post lets n messages from the from-th on leave at their times. A person speaks every People/Rate seconds.
func (b callbacks) post(ctx context.Context, s *stage, people *crowd.Crowd, from, n int) {
	paced(ctx, b.Rate, n, func(i int, due time.Time) {
		i += from
		id := ledger.ID{Person: b.name(i % b.People), N: b.History + i/b.People + 1}
		people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, due)
	})
}
