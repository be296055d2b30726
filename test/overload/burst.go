package main

import (
	"context"
	"time"

	"parley/test/crowd"
)

// burst is a morning: many people write once each within a short time, and the model can answer a third of them meanwhile.
type burst struct {
	People    int           `json:"people"`
	Within    time.Duration `json:"within_ns"`
	BusyAfter time.Duration `json:"busy_after_ns"` // of the tenant; 0: the default
}

type burstResult struct {
	burst
	Places   int           `json:"places"`
	Capacity float64       `json:"capacity_per_s"`
	Demand   float64       `json:"demand_per_s"`
	Sum      sum           `json:"sum"`
	Waited   crowd.Latency `json:"accepted_to_reply"`
	Used     float64       `json:"used"` // answers given while people wrote, of what the model could give
}

// burstAnswer is how long an answer takes.
const burstAnswer = 3 * time.Second

func (b burst) document() string { return goodput{BusyAfter: b.BusyAfter}.document() }

func (b burst) run(ctx context.Context, t *town) (*burstResult, error) {
	r := &burstResult{burst: b, Demand: float64(b.People) / b.Within.Seconds()}
	r.Places = int(r.Demand / 3 * burstAnswer.Seconds())
	r.Capacity = float64(r.Places) / burstAnswer.Seconds()
	if err := t.allow(ctx, r.Places, r.Places, within(burstAnswer)); err != nil {
		return nil, err
	}
	t.Logf("burst: %d people within %s, the model answers %.0f a second", b.People, b.Within, r.Capacity)
	began := time.Now()
	list := t.offer(ctx, load{n: b.People, rate: r.Demand, of: somebody("burst", "burst")})
	wrote := time.Now()
	if err := t.settle(ctx, list, 6*time.Minute); err != nil {
		return nil, err
	}
	r.Sum, r.Waited = t.people.count(list), t.people.waited(list)
	r.Used = t.people.answersBetween(list, began.Add(burstAnswer), wrote) / r.Capacity
	return r, nil
}

// waited is how long people waited for a reply of either kind, from the acknowledgement.
func (p *people) waited(list []*message) crowd.Latency {
	p.mu.Lock()
	defer p.mu.Unlock()
	var times []time.Duration
	for _, m := range list {
		if m.what != "" && !m.acked.IsZero() {
			times = append(times, m.replied.Sub(m.acked))
		}
	}
	return crowd.Summarize(times)
}
