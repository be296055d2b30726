package app

import (
	"context"
	"encoding/json"
	"time"

	"parley/internal/rpc"
)

// A client service that missed so many heartbeats is not shown any more.
const (
	heartbeatEvery = 3 * time.Second
	heartbeatLife  = 10 * time.Second
)

// clientState is what a client service tells operators through Redis.
type clientState struct {
	ID        string         `json:"id"`
	Version   string         `json:"version"`
	HTTP      string         `json:"http"`
	Since     time.Time      `json:"since"`
	Tenants   []string       `json:"tenants"`
	Turns     int            `json:"turns"` // in flight
	Servers   int            `json:"servers"`
	Documents []rpc.Document `json:"documents"`
}

// heartbeat says every few seconds that this client service lives, and how it is.
func (c *client) heartbeat(ctx context.Context) {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		up := 0
		for _, s := range c.rpc.Servers() {
			if s.Up && s.Enabled {
				up++
			}
		}
		doc, err := json.Marshal(clientState{
			ID: c.id, Version: c.env.Version, HTTP: c.cfg.HTTP.Listen, Since: c.started, Tenants: c.tenants.Tenants(),
			Turns: c.service.Running(), Servers: up, Documents: c.documents(),
		})
		if err == nil {
			_ = c.store.SetClient(ctx, c.id, doc, heartbeatLife) // Redis away: the metrics say so already
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
