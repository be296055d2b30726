package app

import (
	"context"
	"errors"
	"net/http"

	"parley/internal/chat"
)

// direct lets channels be made before the service that answers their programs.
type direct struct{ *client }

// Tenant implements channel.Direct.
func (d direct) Tenant(name string) (*chat.Tenant, bool) { return d.tenants.Tenant(name) }

// Models implements channel.Direct.
func (d direct) Models(tenant string) []string {
	if _, ok := d.routes.Get(); !ok {
		return nil
	}
	return d.tenants.Models(tenant)
}

// Complete implements channel.Direct. It asks nobody before it is known that what that costs can be stored.
func (d direct) Complete(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
	if !closed(d.redisUp) {
		return chat.E(chat.Unavailable, "app.complete", errors.New("Redis has not answered since this process started"))
	}
	if err := d.memory.refuses(); err != nil {
		return err
	}
	return d.service.Direct(ctx, want, emit)
}

// public is what the public address serves.
func (c *client) public() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", c.api)
	mux.Handle("/", c.front)
	return mux
}
