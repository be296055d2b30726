package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/sim/llm"
)

// keys is more load on one key than its limit allows, with one server and with four.
type keys struct {
	Limit  int    `json:"concurrency"`
	People int    `json:"people"` // who ask once each, all at once
	Seed   uint64 `json:"seed"`
}

type keysResult struct {
	keys
	Fleets []fleetResult `json:"fleets"`
}

// fleetResult is one fleet's run.
type fleetResult struct {
	Servers int            `json:"servers"`
	Most    map[string]int `json:"most_at_once_per_key"` // by the key's fingerprint, from the provider's ledger
	Waits   int            `json:"waits"`                // answers that all keys are busy, after which the turn was asked again
	Failed  int            `json:"failed"`
	Faults  []string       `json:"faults,omitempty"`
	Took    time.Duration  `json:"took_ns"`
	Ideal   time.Duration  `json:"ideal_ns"` // with the limit used to the full all the time
}

func (b keys) run(ctx context.Context, s *stage) (*keysResult, error) {
	r := &keysResult{keys: b}
	for _, n := range []int{1, 4} {
		f, err := b.fleet(ctx, s, n)
		if err != nil {
			return nil, err
		}
		r.Fleets = append(r.Fleets, f)
	}
	return r, nil
}

// steady is what one answer takes.
var steady = llm.Pace{First: 200 * time.Millisecond, Between: 50 * time.Millisecond, Chunks: 5}

func (b keys) fleet(ctx context.Context, s *stage, n int) (fleetResult, error) {
	r := fleetResult{Servers: n}
	if err := s.prepare(ctx, steady, s.routes(b.Limit, "["+first+"/gpt-4o-mini]")); err != nil {
		return r, err
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("fleet%d-%d", n, i+1))
	}
	servers, err := s.start(ctx, names...)
	if err != nil {
		return r, err
	}
	defer dismiss(servers)
	if err := pause(ctx, 2*time.Second); err != nil { // the servers get to know each other
		return r, err
	}
	s.Logf("keys: %d people, %d servers", b.People, n)
	began := time.Now()
	r.Waits, r.Faults, r.Failed = b.ask(ctx, s, servers)
	r.Took = time.Since(began)
	r.Ideal = time.Duration((b.People+b.Limit-1)/b.Limit) * (steady.First + time.Duration(steady.Chunks-1)*steady.Between)
	list, err := s.providers[first].Ledger(ctx)
	r.Most = most(list)
	return r, err
}

// ask lets everybody ask at once. Who hears that all keys are busy waits a little and asks again, at another server, as a client service does.
func (b keys) ask(ctx context.Context, s *stage, servers []*server) (waits int, faults []string, failed int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range b.People {
		random := rand.New(rand.NewPCG(b.Seed, uint64(i)))
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			waited := 0
			x, req := s.aim(tenants[i%len(tenants)], servers[i%len(servers)])
			for x.fire(ctx, servers[i%len(servers)], req); busy(x.err); x.fire(ctx, servers[(i+waited)%len(servers)], req) {
				waited++
				req.Attempt++
				if pause(ctx, 100*time.Millisecond+time.Duration(random.Int64N(int64(200*time.Millisecond)))) != nil {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			waits += waited
			if fault := x.stormFault(); fault != "" {
				failed++
				faults = note(faults, x, fault)
			}
		})
	}
	wg.Wait()
	return waits, faults, failed
}

// busy: the turn is to wait; nothing failed.
func busy(err error) bool {
	e, ok := errors.AsType[*chat.Error](err)
	return ok && (e.Kind == chat.Overloaded || e.Code == chat.CodeKeysBusy)
}

// most counts the requests that ran at once with each key. A request that began when another ended did not run beside it.
func most(list []llm.Entry) map[string]int {
	type edge struct {
		at   time.Time
		step int
	}
	edges := map[string][]edge{}
	for _, e := range list {
		edges[e.Key] = append(edges[e.Key], edge{e.At, 1})
		if !e.EndedAt.IsZero() {
			edges[e.Key] = append(edges[e.Key], edge{e.EndedAt, -1})
		}
	}
	top := map[string]int{}
	for key, list := range edges {
		slices.SortFunc(list, func(a, b edge) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.step - b.step
		})
		now := 0
		for _, e := range list {
			now += e.step
			top[key] = max(top[key], now)
		}
	}
	return top
}
