package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// plan is one run. Equal seeds plan equal runs; what the processes make of it differs.
type plan struct {
	conversations, turns int
	eager, burst         int // percent
	spread, patience     time.Duration
	seed                 uint64
	calm, keep           bool
}

// pace makes an answer last about 1.5 s, so that turns are in flight when somebody is killed.
var pace = llm.Pace{First: 300 * time.Millisecond, Between: 60 * time.Millisecond, Chunks: 20}

// quiet is how long nothing more may come after the last answer: longer than a lease and a redelivery, which would bring second answers.
const quiet = 8 * time.Second

// cast is everything that runs.
type cast struct {
	rig      *rig.Rig
	company  rig.Company
	model    *rig.Model
	balancer *rig.Balancer

	mu      sync.Mutex
	clients []*rig.Node
	servers []*rig.Node
}

func (p plan) run(ctx context.Context, log io.Writer) (res *result, err error) {
	r, err := rig.New(ctx, rig.Options{Keep: p.keep, Log: log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || !res.ok() {
			r.Keep()
		}
		r.Close()
	}()
	r.Logf("seed %d: -seed %d repeats this plan", p.seed, p.seed)
	people := crowd.New()
	c, err := raise(ctx, r, people)
	if err != nil {
		return nil, err
	}
	defer c.balancer.Close()

	res = &result{plan: p, began: time.Now()}
	talking, cancel := context.WithCancel(ctx)
	defer cancel()
	chaos := make(chan error, 1)
	go func() {
		if p.calm {
			chaos <- nil
			return
		}
		chaos <- c.strike(talking, p, res)
	}()
	p.talk(ctx, c, people)
	if err := <-chaos; err != nil {
		return nil, err
	}
	settling, done := context.WithTimeout(ctx, p.patience)
	people.Settle(settling, quiet)
	done()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted or out of time: %w", ctx.Err())
	}
	res.finish(ctx, c, people)
	return res, nil
}

// raise starts two clients behind one entry, and three servers.
func raise(ctx context.Context, r *rig.Rig, people *crowd.Crowd) (*cast, error) {
	c := &cast{rig: r}
	var err error
	if c.company, err = r.NewCompany(ctx, people.Shown, 0); err != nil {
		return nil, err
	}
	if c.model, err = r.StartModel(ctx, pace); err != nil {
		return nil, err
	}
	for i := range 3 {
		if err := c.addServer(ctx, fmt.Sprintf("server-%d", i+1)); err != nil {
			return nil, err
		}
	}
	var entries []string
	for i := range 2 {
		n, err := r.StartClient(ctx, fmt.Sprintf("client-%d", i+1), c.company, "")
		if err != nil {
			return nil, err
		}
		c.clients = append(c.clients, n)
		entries = append(entries, n.Addr)
	}
	if c.balancer, err = rig.NewBalancer(entries...); err != nil {
		return nil, err
	}
	return c, c.company.Entry(c.balancer.Addr)
}

func (c *cast) addServer(ctx context.Context, name string) error {
	n, err := c.rig.StartServer(ctx, name, c.model.Origin, "")
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers = append(c.servers, n)
	return nil
}

// talk lets everybody have their conversation and returns when the last question was acknowledged or given up and, for those who wait,
// answered.
func (p plan) talk(ctx context.Context, c *cast, people *crowd.Crowd) {
	random := rand.New(rand.NewPCG(p.seed, 1))
	began := time.Now()
	var wg sync.WaitGroup
	for i := range p.conversations {
		at := began.Add(time.Duration(random.Int64N(int64(p.spread) + 1)))
		manner := random.IntN(100)
		wg.Add(1)
		go func() {
			defer wg.Done()
			select {
			case <-time.After(time.Until(at)):
			case <-ctx.Done():
				return
			}
			p.converse(ctx, c, people, fmt.Sprintf("u%05d", i+1), manner)
		}()
	}
	wg.Wait()
}

func (p plan) converse(ctx context.Context, c *cast, people *crowd.Crowd, person string, manner int) {
	ask := func(n int) ledger.ID {
		id := ledger.ID{Person: person, N: n}
		people.Ask(ctx, c.company.Sim, c.company.App.Ref, id, time.Now())
		return id
	}
	if manner < p.burst {
		var wg sync.WaitGroup
		for n := 1; n <= p.turns; n++ {
			wg.Add(1)
			go func() { defer wg.Done(); ask(n) }()
		}
		wg.Wait()
		return
	}
	for n := 1; n <= p.turns; n++ {
		id := ask(n)
		if manner < p.burst+p.eager {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, p.patience)
		_ = people.Await(wait, id) // who waits too long writes on; the ledger has it
		cancel()
	}
}
