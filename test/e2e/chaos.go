package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"parley/test/rig"
)

// event is something that befell the processes.
type event struct {
	at   time.Duration // since the people began
	what string
}

// strike kills and adds processes while the people talk.
func (c *cast) strike(ctx context.Context, p plan, res *result) error {
	random := rand.New(rand.NewPCG(p.seed, 2))
	began := time.Now()
	at := func(share float64) error {
		due := began.Add(time.Duration(float64(p.spread) * (share + 0.04*random.Float64())))
		select {
		case <-time.After(time.Until(due)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	note := func(format string, args ...any) {
		e := event{time.Since(began), fmt.Sprintf(format, args...)}
		res.events = append(res.events, e)
		c.rig.Logf("%s", e.what)
	}
	client, server := random.IntN(len(c.clients)), random.IntN(len(c.servers))
	steps := []struct {
		share float64
		do    func() error
	}{
		{0.20, func() error { return kill(ctx, c.clients[client], "parley_turns_in_flight", note) }},
		{0.35, func() (err error) {
			c.clients[client], err = back(ctx, c.clients[client], note)
			return err
		}},
		{0.50, func() error { return kill(ctx, c.servers[server], "parley_rpc_server_streams", note) }},
		{0.60, func() error {
			defer note("server-4 was added")
			return c.addServer(ctx, "server-4")
		}},
		{0.75, func() (err error) {
			c.servers[server], err = back(ctx, c.servers[server], note)
			return err
		}},
	}
	for _, s := range steps {
		if err := at(s.share); err != nil {
			return err
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

// frozen is how long a node hangs before it is killed, so that whatever is being said to it is cut off: callbacks without an answer, which
// the platform delivers again to another replica.
const frozen = 300 * time.Millisecond

// kill stops a node in the middle of what it does, ends it with SIGKILL and notes how much that was.
func kill(ctx context.Context, n *rig.Node, gauge string, note func(string, ...any)) error {
	doing := "an unknown number of"
	if m, err := n.Metrics(ctx); err == nil {
		doing = fmt.Sprint(m.Sum(gauge))
	}
	n.Pause()
	select {
	case <-time.After(frozen):
	case <-ctx.Done():
	}
	n.Kill()
	note("%s was killed with %s turns in flight", n.Name, doing)
	return ctx.Err()
}

func back(ctx context.Context, n *rig.Node, note func(string, ...any)) (*rig.Node, error) {
	again, err := n.Restart(ctx)
	if err != nil {
		return nil, err
	}
	note("%s came back", n.Name)
	return again, nil
}
