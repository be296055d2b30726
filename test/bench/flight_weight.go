package main

import (
	"context"
	"flag"
	"time"

	"parley/test/crowd"
	"parley/test/rig"
)

// weight compares what a message costs while few turns are in flight and while many are, at one rate of messages a second: answers take so much
// longer. Few are measured before and after the many, so that what else runs on the machine hits both alike.
type weight struct {
	flight
	Few  int           `json:"few"`
	Many int           `json:"many"`
	For  time.Duration `json:"measured_for_ns"`
}

type weightResult struct {
	weight
	Few    heft         `json:"with_few"`
	Many   heft         `json:"with_many"`
	Ratio  float64      `json:"chain_ratio"`
	Asked  ledgerCounts `json:"ledger"`
	Ledger string       `json:"ledger_text"`
}

// heft is what was measured with so many turns in flight.
type heft struct {
	InFlight int                `json:"in_flight"`
	Messages int                `json:"messages"`
	CPU      map[string]float64 `json:"cpu_us_per_message"`
	Chain    float64            `json:"chain_cpu_us_per_message"`
	Ack      crowd.Latency      `json:"ack"`
}

func (b weight) run(ctx context.Context, g *rig.Rig) (*weightResult, error) {
	b.Turns = b.Many
	a, err := b.begin(ctx, g)
	if err != nil {
		return nil, err
	}
	var hefts []heft
	asked := 0
	for _, n := range []int{b.Few, b.Many, b.Few} {
		h, posted, err := b.weigh(ctx, a, n, asked)
		if err != nil {
			return nil, err
		}
		hefts, asked = append(hefts, h), asked+posted
	}
	a.people.Settle(ctx, quiet)
	r := a.people.Check(a.company.Window)
	res := &weightResult{weight: b, Few: hefts[0].and(hefts[2]), Many: hefts[1], Asked: counts(r), Ledger: r.String()}
	res.Ratio = res.Many.Chain / res.Few.Chain
	return res, ctx.Err()
}

// weigh has people ask at the rate until n turns are in flight, in balance, and then measures.
func (b weight) weigh(ctx context.Context, a *aloft, n, asked int) (heft, int, error) {
	mean := time.Duration(n) * time.Second / time.Duration(b.Rate)
	least, most := mean*4/5, mean*6/5
	if err := a.model.SetPace(ctx, slowly(least, most)); err != nil {
		return heft{}, 0, err
	}
	settled := most + 3*time.Second
	posts := int((settled + b.For).Seconds() * float64(b.Rate))
	a.Logf("weight: %d a second, answered after %s to %s, for %s", b.Rate, least, most, settled+b.For)
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		a.post(ctx, asked, posts, b.Rate)
	}()
	began := time.Now()
	time.Sleep(time.Until(began.Add(settled)))
	before, from := a.usage(), time.Now()
	st, err := a.model.Stats(ctx)
	if err != nil {
		return heft{}, 0, err
	}
	profiled := b.profiles.during(ctx, a.stage, "weight-"+mean.String(), b.For-time.Second)
	time.Sleep(time.Until(from.Add(b.For)))
	after, to := a.usage(), time.Now()
	<-posted
	a.people.Settle(ctx, 0)
	if err := profiled(); err != nil {
		return heft{}, 0, err
	}
	h := heft{InFlight: st.Running}
	var within []crowd.Message
	for _, m := range a.people.Messages() {
		if m.Answered.After(from) && m.Answered.Before(to) {
			h.Messages++
		}
		if m.Due.After(from) && m.Due.Before(to) {
			within = append(within, m)
		}
	}
	h.CPU, h.Ack = perMessage(before, after, h.Messages), crowd.Acks(within)
	h.Chain = h.CPU["client"] + h.CPU["server"] + h.CPU["redis"]
	return h, posts, ctx.Err()
}

// and is the mean of both.
func (h heft) and(o heft) heft {
	cpu := map[string]float64{}
	for name, v := range h.CPU {
		cpu[name] = (v + o.CPU[name]) / 2
	}
	worse := h.Ack
	if o.Ack.P99 > worse.P99 {
		worse = o.Ack
	}
	return heft{InFlight: (h.InFlight + o.InFlight) / 2, Messages: h.Messages + o.Messages, CPU: cpu, Chain: (h.Chain + o.Chain) / 2, Ack: worse}
}

// flags declares the sizes that are not flight's.
func (b *weight) flags() {
	flag.IntVar(&b.Few, "few", 500, "weight: few turns in flight")
	flag.IntVar(&b.Many, "many", 50_000, "weight: many turns in flight")
	flag.IntVar(&b.Rate, "weight-rate", 600, "weight: messages a second")
	flag.DurationVar(&b.For, "weigh", 30*time.Second, "weight: how long each is measured")
}

func (b *weight) wrong() bool { return min(b.Few, b.Many, b.Rate) < 1 || b.For < 2*time.Second }
