package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
)

// storm is a provider that answers errors only, for a while, and then is well again. Nobody touches a switch.
type storm struct {
	Rate     int           `json:"rate"`
	For      time.Duration `json:"for_ns"`
	Recovery time.Duration `json:"recovery_within_ns"`
}

type stormResult struct {
	storm
	Opened    time.Duration `json:"opened_after_ns"` // when the last server's breaker was seen open; less than 0: never
	Turns     int           `json:"turns"`           // in the storm
	Calls     int           `json:"calls"`           // of these turns, to both providers
	Ratio     float64       `json:"calls_per_turn"`
	Then      int           `json:"turns_after_opening"`
	ThenCalls int           `json:"calls_after_opening"`
	ThenRatio float64       `json:"calls_per_turn_after_opening"`
	Most      int           `json:"most_calls_of_a_turn"`
	Failed    int           `json:"failed"`
	Faults    []string      `json:"faults,omitempty"`
	Took      crowd.Latency `json:"answered_after"`
	Returned  time.Duration `json:"first_turn_back_after_ns"` // after the recovery; less than 0: none was
	Settled   time.Duration `json:"all_turns_back_after_ns"`  // less than 0: not within the time
}

func (b storm) run(ctx context.Context, s *stage) (*stormResult, error) {
	if err := s.prepare(ctx, brief, s.routes(0, bothModels)); err != nil {
		return nil, err
	}
	servers, err := s.start(ctx, "storm-1", "storm-2", "storm-3")
	if err != nil {
		return nil, err
	}
	defer dismiss(servers)
	v := s.load(ctx, b.Rate, servers, tenants...)
	r, err := b.weather(ctx, s, servers)
	shots := v.stop()
	if err != nil {
		return nil, err
	}
	ledgers, err := s.ledgers(ctx)
	if err != nil {
		return nil, err
	}
	return r.judge(shots, calls(ledgers)), nil
}

// forecast is when what happened.
type forecast struct {
	storm
	began, opened, ended time.Time // opened is zero if it never was
}

// weather lets the provider fail and recover under the load.
func (b storm) weather(ctx context.Context, s *stage, servers []*server) (*forecast, error) {
	f := &forecast{storm: b}
	if err := pause(ctx, 2*time.Second); err != nil { // calm first
		return nil, err
	}
	s.Logf("storm: %s answers errors only", first)
	f.began = time.Now()
	if err := s.providers[first].SetRules(ctx, llm.Rule{Fault: llm.Fault{Kind: llm.FaultStatus, Status: 500, Code: "server_error"}}); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	opened := make([]time.Time, len(servers))
	for i, x := range servers {
		wg.Go(func() { opened[i] = x.awaitOpen(watching) })
	}
	err := pause(ctx, b.For)
	stop()
	wg.Wait()
	if err != nil {
		return nil, err
	}
	f.opened = last(opened)
	s.Logf("storm: %s is well again", first)
	f.ended = time.Now()
	if err := s.providers[first].SetRules(ctx); err != nil {
		return nil, err
	}
	return f, pause(ctx, b.Recovery)
}

// last is the latest of some times, zero if one of them is.
func last(times []time.Time) (at time.Time) {
	for _, t := range times {
		if t.IsZero() {
			return t
		}
		if t.After(at) {
			at = t
		}
	}
	return at
}

// awaitOpen gives when the server's metrics first say that the first provider's breaker is open; zero if ctx ended before.
func (s *server) awaitOpen(ctx context.Context) time.Time {
	for {
		m, err := s.Metrics(ctx)
		if err == nil && m.Sum("parley_llm_breaker_open", fmt.Sprintf("provider=%q", first)) > 0 {
			return time.Now()
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return time.Time{}
		}
	}
}

func (f *forecast) judge(shots []*shot, made map[string][]call) *stormResult {
	r := &stormResult{storm: f.storm, Opened: -1, Returned: -1, Settled: -1}
	if !f.opened.IsZero() {
		r.Opened = f.opened.Sub(f.began)
	}
	var within []*shot
	var lastAway time.Time // a turn that was sent after the end and still had to fall back
	for _, x := range shots {
		n := len(made[x.question])
		r.Most = max(r.Most, n)
		if fault := x.stormFault(); fault != "" {
			r.Failed++
			r.Faults = note(r.Faults, x, fault)
		}
		switch {
		case x.sent.Before(f.began):
		case x.sent.Before(f.ended):
			within = append(within, x)
			r.Turns, r.Calls = r.Turns+1, r.Calls+n
			if !f.opened.IsZero() && x.sent.After(f.opened) {
				r.Then, r.ThenCalls = r.Then+1, r.ThenCalls+n
			}
		case x.err == nil && x.reply.Provider == first:
			if back := x.sent.Sub(f.ended); r.Returned < 0 || back < r.Returned {
				r.Returned = back
			}
		case x.sent.After(lastAway):
			lastAway = x.sent
		}
	}
	r.Ratio, r.ThenRatio = ratio(r.Calls, r.Turns), ratio(r.ThenCalls, r.Then)
	r.Took = took(within)
	// Only a second without any turn away, to the end of the load, counts as settled.
	if end := f.ended.Add(f.Recovery); r.Returned >= 0 && end.Sub(lastAway) > time.Second {
		r.Settled = max(0, lastAway.Sub(f.ended))
	}
	return r
}

// stormFault: it matters that the person is answered, not by whom.
func (x *shot) stormFault() string {
	switch {
	case x.err != nil:
		return "failed: " + x.err.Error()
	case !strings.Contains(llm.Strip(x.reply.Text), x.right):
		return fmt.Sprintf("was answered %q, want %q", x.reply.Text, x.right)
	}
	return ""
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
