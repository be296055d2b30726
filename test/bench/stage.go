package main

import (
	"context"
	"fmt"
	"os"
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

// perMessage is the CPU that each process used between two usages, in microseconds a message.
func perMessage(before, after map[string]rig.Usage, messages int) map[string]float64 {
	cost := map[string]float64{}
	for name, u := range after {
		cost[name] = float64((u.CPU - before[name].CPU).Microseconds()) / float64(max(1, messages))
	}
	return cost
}

// warm lets every part of the chain work a little before anything is measured: connections, tokens, code paths.
func (s *stage) warm(ctx context.Context, people *crowd.Crowd, messages int) {
	for i := range messages {
		id := ledger.ID{Person: fmt.Sprintf("warm%d", i+1), N: 1}
		people.Ask(ctx, s.company.Sim, s.company.App.Ref, id, time.Now())
	}
	people.Settle(ctx, 0)
}
