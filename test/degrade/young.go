package main

import (
	"context"
	"time"

	"parley/internal/sim/llm"
)

// young is the hardest moment to publish: to servers that became ready a second ago, whose SDK does not listen yet (it registers listeners on
// a tick of 5 s), both a document that did not exist and one that did.
type young struct {
	Rate   int `json:"rate_per_server"`
	Rounds int `json:"rounds"`
}

type youngResult struct {
	young
	Turns  int      `json:"turns"`
	Failed int      `json:"failed"`
	Faults []string `json:"faults,omitempty"`
	New    switched `json:"new_document_at_a_second"`      // three servers a round
	Known  switched `json:"existing_document_at_a_second"` // one server a round
}

const age = time.Second

// brief answers end soon: here only where turns begin counts.
var brief = llm.Pace{First: 30 * time.Millisecond, Chunks: 1}

func (b young) run(ctx context.Context, s *stage) (*youngResult, error) {
	r := &youngResult{young: b}
	var fresh, known []effect
	for round := range b.Rounds {
		s.Logf("young: round %d", round+1)
		if err := b.round(ctx, s, r, &fresh, &known); err != nil {
			return nil, err
		}
	}
	r.New, r.Known = summarize("document that did not exist", fresh), summarize("document that existed", known)
	return r, nil
}

func (b young) round(ctx context.Context, s *stage, r *youngResult, fresh, known *[]effect) error {
	if err := s.prepare(ctx, brief, s.routes(0, bothModels)); err != nil {
		return err
	}
	three, err := s.start(ctx, "young-1", "young-2", "young-3")
	if err != nil {
		return err
	}
	defer dismiss(three)
	list, err := b.measure(ctx, s, r, three, second)
	if err != nil {
		return err
	}
	*fresh = append(*fresh, list...)
	one, err := s.start(ctx, "young-4")
	if err != nil {
		return err
	}
	defer dismiss(one)
	list, err = b.measure(ctx, s, r, one, first)
	*known = append(*known, list...)
	return err
}

// measure publishes when the youngest of the servers is a second old.
func (b young) measure(ctx context.Context, s *stage, r *youngResult, servers []*server, to string) ([]effect, error) {
	born := servers[0].born
	var names []string
	for _, x := range servers {
		names = append(names, x.Name)
		if x.born.After(born) {
			born = x.born
		}
	}
	v := s.load(ctx, b.Rate*len(servers), servers, moved)
	if err := pause(ctx, time.Until(born.Add(age))); err != nil {
		return nil, err
	}
	p, err := s.publish(ctx, adminAPI, to, nil)
	if err == nil {
		p.told = awaitForce(ctx, servers, p.began)
		err = pause(ctx, time.Second)
	}
	shots := v.stop()
	if err != nil {
		return nil, err
	}
	p.until = time.Now()
	ledgers, err := s.ledgers(ctx)
	if err != nil {
		return nil, err
	}
	made := calls(ledgers)
	for _, x := range shots {
		if fault := x.fault(made[x.question]); fault != "" {
			r.Failed++
			r.Faults = note(r.Faults, x, fault)
		}
	}
	r.Turns += len(shots)
	list, faults := effects(p, names, shots, made)
	r.Faults = append(r.Faults, faults...)
	return list, nil
}
