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

// stage is one client service and one server with all around them.
type stage struct {
	*rig.Rig
	company rig.Company
	model   *rig.Model
	client  *rig.Node
	server  *rig.Node
}

func newStage(ctx context.Context, g *rig.Rig, shown func(wecom.Sent), model rig.ModelOptions) (s *stage, err error) {
	return newStageAfter(ctx, g, shown, model, func(rig.Company) error { return nil })
}

// newStageAfter is newStage with something that is done before the client service starts.
func newStageAfter(
	ctx context.Context, g *rig.Rig, shown func(wecom.Sent), model rig.ModelOptions, before func(rig.Company) error,
) (s *stage, err error) {
	s = &stage{Rig: g}
	if s.company, err = g.NewCompany(ctx, shown, -1); err != nil {
		return nil, err
	}
	if s.model, err = g.StartModelOf(ctx, model); err != nil {
		return nil, err
	}
	if s.server, err = g.StartServer(ctx, "server", s.model.Origin, ""); err != nil {
		return nil, err
	}
	if err := before(s.company); err != nil {
		return nil, err
	}
	if s.client, err = g.StartClient(ctx, "client", s.company, ""); err != nil {
		return nil, err
	}
	return s, s.company.Entry(s.client.Addr)
}

// nodes are the Parley processes.
func (s *stage) nodes() []*rig.Node { return []*rig.Node{s.client, s.server} }

// usage is what every process has used so far.
func (s *stage) usage() map[string]rig.Usage {
	u := map[string]rig.Usage{"client": s.client.Usage(), "server": s.server.Usage(), "model (simulated)": s.model.Usage()}
	u["redis"], _ = rig.UsageOf(s.Redis.PID())
	u["people and WeCom (simulated)"], _ = rig.UsageOf(os.Getpid())
	return u
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
