package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// limits are those of a person and of a tenant, held over two replicas behind a balancer.
type limits struct {
	InFlight  int           `json:"turns_in_flight"`
	PerMinute int           `json:"per_user_per_minute"`
	People    int           `json:"people"`
	Answer    time.Duration `json:"answer_ns"`
}

type limitsResult struct {
	limits
	Most     int   `json:"most_in_flight"`
	Served   []int `json:"clients_that_took_messages"` // callbacks by replica
	Answered []int `json:"answered_of_each_person"`    // the fewest and the most
	Flight   sum   `json:"in_flight"`
	Rate     sum   `json:"rate"`
}

func (b limits) documents() map[string]string {
	return map[string]string{
		"flight": fmt.Sprintf("turns_in_flight: %d", b.InFlight),
		"rate":   fmt.Sprintf("per_user_per_minute: %d", b.PerMinute),
	}
}

func (b limits) run(ctx context.Context, t *town) (*limitsResult, error) {
	r := &limitsResult{limits: b}
	if err := t.allow(ctx, 0, 0, within(b.Answer)); err != nil {
		return nil, err
	}
	balancer, err := b.enter(t)
	if err != nil {
		return nil, err
	}
	defer balancer.Close()
	if err := b.flight(ctx, t, r); err != nil {
		return nil, err
	}
	if err := b.rate(ctx, t, r); err != nil {
		return nil, err
	}
	for _, c := range t.clients {
		m, err := c.Metrics(ctx)
		if err != nil {
			return nil, err
		}
		r.Served = append(r.Served, int(m.Sum("parley_messages_accepted_total", `tenant="flight"`)+m.Sum("parley_messages_accepted_total", `tenant="rate"`)))
	}
	return r, nil
}

// enter puts a plain balancer before the replicas.
func (b limits) enter(t *town) (*rig.Balancer, error) {
	var addrs []string
	for _, c := range t.clients {
		addrs = append(addrs, c.Addr)
	}
	balancer, err := rig.NewBalancer(addrs...)
	if err != nil {
		return nil, err
	}
	for tenant := range b.documents() {
		app := application(tenant)
		app.Callbacks = []string{"http://" + balancer.Addr + "/callback/" + tenant + "/app"}
		if err := t.sim.AddApp(app); err != nil {
			return nil, err
		}
	}
	return balancer, nil
}

// flight lets everybody of a tenant ask at once.
func (b limits) flight(ctx context.Context, t *town, r *limitsResult) error {
	if err := t.model.Forget(ctx); err != nil {
		return err
	}
	list := t.offer(ctx, load{n: b.People, rate: 500, of: somebody("flight", "flight")})
	if err := t.settle(ctx, list, 2*time.Minute); err != nil {
		return err
	}
	entries, err := t.model.Ledger(ctx)
	r.Most, r.Flight = atOnce(entries), t.people.count(list)
	return err
}

// rate lets each of some people write more than they may.
func (b limits) rate(ctx context.Context, t *town, r *limitsResult) error {
	var mu sync.Mutex
	var list []*message
	var wg sync.WaitGroup
	for i := range 8 {
		who := fmt.Sprint("fast", i+1)
		wg.Go(func() {
			for range 2*b.PerMinute + 2 { // one after the other: they have an order
				m := t.people.write(ctx, t.sim, t.refs["rate"], who, time.Now())
				mu.Lock()
				list = append(list, m)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := t.settle(ctx, list, time.Minute); err != nil {
		return err
	}
	r.Rate = t.people.count(list)
	each := map[string]int{}
	for _, m := range list {
		if each[m.person] += 0; m.what == answered {
			each[m.person]++
		}
	}
	var counts []int
	for _, n := range each {
		counts = append(counts, n)
	}
	r.Answered = []int{slices.Min(counts), slices.Max(counts)}
	return nil
}

// atOnce is how many calls ran at the same moment. One that began when another ended did not run beside it.
func atOnce(list []llm.Entry) (most int) {
	type edge struct {
		at   time.Time
		step int
	}
	var edges []edge
	for _, e := range list {
		edges = append(edges, edge{e.At, 1})
		if !e.EndedAt.IsZero() {
			edges = append(edges, edge{e.EndedAt, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.step - b.step
	})
	now := 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	return most
}
