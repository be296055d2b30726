package app

import (
	"context"
	"encoding/json"
	"time"

	"parley/internal/app/wire"
	"parley/internal/rpc"
)

// A client service that missed so many heartbeats is not shown any more.
const (
	heartbeatEvery = 3 * time.Second
	heartbeatLife  = 10 * time.Second
)

// heartbeat says every few seconds that this client service lives, and how it is.
func (c *client) heartbeat(ctx context.Context) {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	silent := false // the last one could not be written, and that was logged
	for {
		up, out := countServers(c.rpc.Servers())
		doc, err := json.Marshal(wire.ClientState{
			ID: c.id, Version: c.env.Version, HTTP: c.cfg.HTTP.Listen, Since: c.started, Tenants: c.tenants.Tenants(),
			Turns: c.service.Running(), Servers: up, LeftOut: out, Documents: c.documents(), Blocked: c.service.Blocked(),
		})
		if err == nil {
			err = c.store.SetClient(ctx, c.id, doc, heartbeatLife)
		}
		if failed := err != nil && ctx.Err() == nil; failed != silent {
			if silent = failed; failed {
				c.tel.Log.Warn("this client service cannot say that it lives; parley status will not show it", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// countServers counts those that get turns, and names those that are left out for their protocol.
func countServers(all []rpc.Instance) (up int, out []string) {
	for _, s := range all {
		switch {
		case s.Misfit != "":
			out = append(out, s.Address+": "+s.Misfit)
		case s.Up && s.Enabled:
			up++
		}
	}
	return up, out
}
