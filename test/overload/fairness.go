package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"parley/test/crowd"
)

// fairness lets one of many tenants, all in the same processes, ask for ten times its quota.
type fairness struct {
	Tenants int           `json:"tenants"`
	Quota   int           `json:"turns_in_flight"`
	Share   float64       `json:"share_of_quota"` // that tenants use as a rule
	For     time.Duration `json:"phase_ns"`
	Phases  int           `json:"phases"` // in every second one tenant is greedy
}

type fairnessResult struct {
	fairness
	Quiet  crowd.Latency `json:"others_quiet"` // due → reply of the other tenants
	Loud   crowd.Latency `json:"others_loud"`
	Worse  float64       `json:"p99_worse"` // 0.2: 20 % worse
	Greedy sum           `json:"greedy"`
	Faults []string      `json:"faults,omitempty"`
}

// oneAnswer is how long an answer takes: a quota of n turns in flight is n answers a second.
const oneAnswer = time.Second

func (b fairness) tenant(i int) string { return fmt.Sprintf("fair%02d", i+1) }

// document lets those who wait hear of it soon, so that a loud phase does not reach into a quiet one.
func (b fairness) document() string {
	return fmt.Sprintf("turns_in_flight: %d, max_wait: 10s", b.Quota)
}

func (b fairness) run(ctx context.Context, t *town) (*fairnessResult, error) {
	// The key has room for everybody's quota: what one takes from others is not taken there.
	if err := t.allow(ctx, b.Tenants*b.Quota, b.Tenants*b.Quota, within(oneAnswer)); err != nil {
		return nil, err
	}
	r := &fairnessResult{fairness: b}
	var quiet, loud, greedy []*message
	for phase := range b.Phases {
		t.Logf("fairness: phase %d of %d, tenant %s is %s", phase+1, b.Phases, b.tenant(0), []string{"as others", "greedy"}[phase%2])
		others, one, err := b.phase(ctx, t, phase)
		if err != nil {
			return nil, err
		}
		if phase%2 == 0 {
			quiet = append(quiet, others...)
		} else {
			loud, greedy = append(loud, others...), append(greedy, one...)
		}
	}
	before, after := t.people.count(quiet), t.people.count(loud)
	r.Quiet, r.Loud, r.Greedy = before.Reply, after.Reply, t.people.count(greedy)
	r.Worse = float64(after.Reply.P99)/float64(max(1, before.Reply.P99)) - 1
	for name, s := range map[string]sum{"others, quiet": before, "others, loud": after} {
		for _, f := range s.faults() {
			r.Faults = append(r.Faults, name+": "+f)
		}
		if told := s.Messages - s.Replies[answered]; told > 0 {
			r.Faults = append(r.Faults, fmt.Sprintf("%s: %d were not answered: %s", name, told, s.told()))
		}
	}
	for _, f := range r.Greedy.faults() {
		r.Faults = append(r.Faults, "the greedy one: "+f)
	}
	return r, nil
}

// phase offers everybody's load for a time and waits for all replies.
func (b fairness) phase(ctx context.Context, t *town, phase int) (others, one []*message, err error) {
	usual := b.Share * float64(b.Quota) / oneAnswer.Seconds()
	n := b.Tenants - 1
	var wg sync.WaitGroup
	wg.Go(func() {
		rate := usual * float64(n)
		others = t.offer(ctx, load{n: int(rate * b.For.Seconds()), rate: rate, of: func(i int) (string, string) {
			return b.tenant(1 + i%n), fmt.Sprintf("fair%d-%d", phase, i)
		}})
	})
	wg.Go(func() {
		rate := usual
		if phase%2 == 1 {
			rate = 10 * float64(b.Quota) / oneAnswer.Seconds()
		}
		one = t.offer(ctx, load{n: int(rate * b.For.Seconds()), rate: rate, of: somebody(b.tenant(0), fmt.Sprintf("greedy%d", phase))})
	})
	wg.Wait()
	if err := t.settle(ctx, others, time.Minute); err != nil {
		return nil, nil, err
	}
	return others, one, t.settle(ctx, one, 2*time.Minute)
}
