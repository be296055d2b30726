package main

import (
	"context"
	"fmt"
	"time"

	"parley/test/crowd"
)

// outage is what must not undo a switch in force: a restart, a faulty document, and the loss of Nacos, which comes last.
type outage struct {
	Rate     int           `json:"rate"`
	Restarts int           `json:"restarts"`
	Without  time.Duration `json:"without_nacos_ns"`
}

type outageResult struct {
	outage
	How     string        `json:"nacos_was"` // killed, or cut off
	First   []string      `json:"first_turn_after_restart"`
	Ready   crowd.Latency `json:"restart_to_ready"`
	Refused int           `json:"servers_that_refused_the_faulty_document"`
	Turns   int           `json:"turns"`
	Failed  int           `json:"failed"`
	Faults  []string      `json:"faults,omitempty"`
}

const faulty = "switches:\n  - id: acme\n    active: of course\n"

func (b outage) run(ctx context.Context, s *stage) (*outageResult, error) {
	r := &outageResult{outage: b, How: s.nacos.how}
	if err := s.prepare(ctx, spoken, s.routes(0, bothModels)); err != nil {
		return nil, err
	}
	servers, err := s.start(ctx, "steady-1", "steady-2", "steady-3")
	if err != nil {
		return nil, err
	}
	defer func() { dismiss(servers) }()
	p, err := s.publish(ctx, adminAPI, second, nil)
	if err != nil {
		return nil, err
	}
	if n := len(awaitForce(ctx, servers, p.began)); n != len(servers) {
		return nil, fmt.Errorf("the switch came into force on %d of %d servers", n, len(servers))
	}
	if err := b.restarts(ctx, s, r, servers); err != nil {
		return nil, err
	}
	s.Logf("outage: a faulty document")
	if err := s.publishAdmin(ctx, document, faulty); err != nil {
		return nil, err
	}
	if err := b.talk(ctx, s, r, servers, 3*time.Second); err != nil {
		return nil, err
	}
	for _, x := range servers {
		for range 300 { // 30 s at most: a push may have been lost
			if _, refused, err := x.inForce(ctx); err != nil {
				return nil, err
			} else if refused != "" {
				r.Refused++
				break
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return nil, err
			}
		}
	}
	s.Logf("outage: Nacos is %s", s.nacos.how)
	s.nacos.fail()
	return r, b.talk(ctx, s, r, servers, b.Without)
}

// restarts kills servers and looks at the very first turn of each of their successors.
func (b outage) restarts(ctx context.Context, s *stage, r *outageResult, servers []*server) (err error) {
	var ready []time.Duration
	for i := range b.Restarts {
		at := i % len(servers)
		began := time.Now()
		if servers[at], err = restart(ctx, servers[at]); err != nil {
			return err
		}
		ready = append(ready, time.Since(began))
		x, req := s.aim(moved, servers[at])
		x.fire(ctx, servers[at], req)
		r.Turns++
		b.judge(r, x, nil)
		r.First = append(r.First, x.reply.Provider)
	}
	r.Ready = crowd.Summarize(ready)
	return nil
}

// talk lets the switched tenant talk for a while; every turn must be degraded, and answered.
func (b outage) talk(ctx context.Context, s *stage, r *outageResult, servers []*server, d time.Duration) error {
	v := s.load(ctx, b.Rate, servers, moved)
	err := pause(ctx, d)
	shots := v.stop()
	if err != nil {
		return err
	}
	ledgers, err := s.ledgers(ctx)
	if err != nil {
		return err
	}
	made := calls(ledgers)
	r.Turns += len(shots)
	for _, x := range shots {
		b.judge(r, x, made[x.question])
	}
	return nil
}

// judge: made is nil where the ledgers were not asked.
func (b outage) judge(r *outageResult, x *shot, made []call) {
	fault := ""
	switch {
	case x.err != nil:
		fault = "failed: " + x.err.Error()
	case x.reply.Provider != second || !x.reply.Degraded:
		fault = fmt.Sprintf("went to %s, degraded %t, although the switch was on", x.reply.Provider, x.reply.Degraded)
	case made != nil:
		fault = x.fault(made)
	}
	if fault != "" {
		r.Failed++
		r.Faults = note(r.Faults, x, fault)
	}
}
