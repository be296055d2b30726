package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
	"parley/test/ledger"
	"parley/test/rig"
)

// crew is how many Parley processes of each kind a stage has, and what stands in their configuration besides.
type crew struct {
	Clients int `json:"clients"`
	Servers int `json:"servers"`

	client, server string // YAML
}

// or fills in what is not set.
func (c crew) or(n int) crew {
	c.Clients, c.Servers = cmp.Or(c.Clients, n), cmp.Or(c.Servers, n)
	return c
}

// stage is a client service and a server, or several, with all around them.
type stage struct {
	*rig.Rig
	company          rig.Company
	model            *rig.Model
	client, server   *rig.Node // the first ones
	clients, servers []*rig.Node
}

func newStage(ctx context.Context, g *rig.Rig, shown func(wecom.Sent), model rig.ModelOptions) (s *stage, err error) {
	return newStageAfter(ctx, g, shown, model, func(rig.Company) error { return nil })
}

// newStageAfter is newStage with something that is done before the client service starts.
func newStageAfter(
	ctx context.Context, g *rig.Rig, shown func(wecom.Sent), model rig.ModelOptions, before func(rig.Company) error,
) (s *stage, err error) {
	return newStageOf(ctx, g, shown, model, crew{Clients: 1, Servers: 1}, before)
}

// newStageOf is newStageAfter with as many processes as the crew has.
func newStageOf(
	ctx context.Context, g *rig.Rig, shown func(wecom.Sent), model rig.ModelOptions, c crew, before func(rig.Company) error,
) (s *stage, err error) {
	s = &stage{Rig: g}
	if s.company, err = g.NewCompany(ctx, shown, -1); err != nil {
		return nil, err
	}
	if s.model, err = g.StartModelOf(ctx, model); err != nil {
		return nil, err
	}
	for i := range c.Servers {
		n, err := g.StartServer(ctx, nth("server", i), s.model.Origin, c.server)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, n)
	}
	if err := before(s.company); err != nil {
		return nil, err
	}
	var entry []string
	for i := range c.Clients {
		n, err := g.StartClient(ctx, nth("client", i), s.company, c.client)
		if err != nil {
			return nil, err
		}
		s.clients, entry = append(s.clients, n), append(entry, n.Addr)
	}
	s.client, s.server = s.clients[0], s.servers[0]
	return s, s.company.Entry(entry...)
}

// nth names one of several processes.
func nth(kind string, i int) string {
	if i == 0 {
		return kind
	}
	return fmt.Sprint(kind, i+1)
}

// nodes are the Parley processes.
func (s *stage) nodes() []*rig.Node { return append(append([]*rig.Node{}, s.clients...), s.servers...) }

// usage is what every kind of process has used so far.
func (s *stage) usage() map[string]rig.Usage {
	u := map[string]rig.Usage{"client": sum(s.clients), "server": sum(s.servers), "model (simulated)": s.model.Usage()}
	u["redis"], _ = rig.UsageOf(s.Redis.PID())
	u["people and WeCom (simulated)"], _ = rig.UsageOf(os.Getpid())
	return u
}

func sum(nodes []*rig.Node) (all rig.Usage) {
	for _, n := range nodes {
		u := n.Usage()
		all.CPU, all.RSS, all.Peak = all.CPU+u.CPU, all.RSS+u.RSS, all.Peak+u.Peak
	}
	return all
}

// spent is the processor time that each process used while something was measured.
type spent map[string]time.Duration

// add counts what was used between two usages.
func (s spent) add(before, after map[string]rig.Usage) {
	for name, u := range after {
		s[name] += u.CPU - before[name].CPU
	}
}

// each is microseconds a message.
func (s spent) each(messages int) map[string]float64 {
	cost := map[string]float64{}
	for name, cpu := range s {
		cost[name] = float64(cpu.Microseconds()) / float64(max(1, messages))
	}
	return cost
}

// perMessage is the CPU that each process used between two usages, in microseconds a message.
func perMessage(before, after map[string]rig.Usage, messages int) map[string]float64 {
	s := spent{}
	s.add(before, after)
	return s.each(messages)
}

// chain is what Parley itself costs: the client services, the servers and Redis.
func chain(cpu map[string]float64) float64 { return cpu["client"] + cpu["server"] + cpu["redis"] }

// measurement is from where something is measured; cost is what it came to.
type measurement struct {
	s      *stage
	began  time.Time
	before map[string]rig.Usage
	steps  []histogram
}

type cost struct {
	took  time.Duration
	cpu   map[string]float64 // by process, µs a message
	steps []taken
}

func (s *stage) measure(ctx context.Context) (m measurement, err error) {
	m.s = s
	m.steps, err = s.histograms(ctx)
	m.before, m.began = s.usage(), time.Now()
	return m, err
}

func (m measurement) end(ctx context.Context, messages int) (cost, error) {
	c := cost{took: time.Since(m.began), cpu: perMessage(m.before, m.s.usage(), messages)}
	steps, err := m.s.histograms(ctx)
	if err == nil {
		c.steps = between(m.steps, steps)
	}
	return c, err
}

// warm lets every part of the chain work a little before anything is measured: connections, tokens, code paths.
func (s *stage) warm(ctx context.Context, people *crowd.Crowd, messages int) {
	var wg sync.WaitGroup
	for i := range messages {
		wg.Go(func() {
			id := ledger.ID{Person: fmt.Sprintf("warm%d", i+1), N: 1}
			people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now())
		})
		if i%20 == 19 {
			wg.Wait()
		}
	}
	wg.Wait()
	people.Settle(ctx, 0)
}
