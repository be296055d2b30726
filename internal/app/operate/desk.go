package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/config"
	"parley/internal/redisstore"
)

// Desk is what operators' commands work with: documents, servers and the store. A command opens one for itself, a console keeps one open. Safe for
// concurrent use.
type Desk struct {
	cfg   config.Either
	board *board            // nil: noBoard says why
	fleet *fleet            // nil: noFleet says why
	store *redisstore.Store // nil: noStore says why; both nil: a server's configuration names none

	noBoard, noFleet, noStore error

	mu    sync.Mutex
	today map[string]readUsage // by tenant
}

// OpenDesk connects, and waits for nothing: what cannot be opened says so when it is asked for. Close it.
func OpenDesk(cfg config.Either) *Desk {
	d := &Desk{cfg: cfg}
	// One after the other: the SDK beneath them sets up what is global to the process.
	d.board, d.noBoard = connectBoard(cfg)
	d.fleet, d.noFleet = connectFleet(cfg)
	if r := cfg.Redis(); r != nil {
		d.store, d.noStore = wire.OpenStore(*r)
	}
	return d
}

// Faults are what of the desk could not be opened: the configuration's, not an outage's.
func (d *Desk) Faults() error { return errors.Join(d.noBoard, d.noFleet, d.noStore) }

// Close ends all connections.
func (d *Desk) Close() {
	if d.board != nil {
		d.board.close()
	}
	if d.fleet != nil {
		d.fleet.close()
	}
	if d.store != nil {
		_ = d.store.Close()
	}
}

// Drains reports whether servers can be drained: the registry has weights.
func (d *Desk) Drains() bool { return d.cfg.Registry().Mode == config.ModeNacos }

// Record enters a deed in the audit log.
func (d *Desk) Record(ctx context.Context, env wire.Env, e audit.Entry) error {
	_, err := Record(ctx, env, d.store, d.cfg.Audit(), e)
	return err
}

// read gives a board of its own, whose table nobody else sets.
func (d *Desk) read() (*board, error) {
	if d.noBoard != nil {
		return nil, d.noBoard
	}
	return &board{source: d.board.source, nacos: d.board.nacos}, nil
}

// keeps gives the store, if this release may read what lies there.
func (d *Desk) keeps(ctx context.Context) (*redisstore.Store, error) {
	switch {
	case d.noStore != nil:
		return nil, d.noStore
	case d.store == nil:
		return nil, errors.New("this configuration names no Redis: give a client.yaml or console.yaml")
	}
	if err := d.store.Readable(ctx); err != nil {
		return nil, d.redis(err)
	}
	return d.store, nil
}

// redis says where Redis was looked for.
func (d *Desk) redis(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis at %s: %w", strings.Join(d.cfg.Redis().Addrs, ", "), err)
}
