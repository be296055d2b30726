package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/config"
	"parley/internal/rpc"
)

// DrainOptions are the flags of `parley drain` and `parley undrain`.
type DrainOptions struct {
	Server string  // host:port, as `parley status` lists it
	Weight float64 // of undrain; 0: 1
	Reason string
	Force  bool // also if nobody else would take turns
}

// Drain is `parley drain`: the server gets no new turns, and goes on with those that it has.
func Drain(ctx context.Context, env wire.Env, path string, o DrainOptions) error {
	return withDesk(path, func(d *Desk) error { return d.Drain(ctx, env, o) })
}

// Undrain is `parley undrain`: the server gets turns again.
func Undrain(ctx context.Context, env wire.Env, path string, o DrainOptions) error {
	return withDesk(path, func(d *Desk) error { return d.Undrain(ctx, env, o) })
}

func withDesk(path string, f func(*Desk) error) error {
	cfg, err := config.Load(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	d := OpenDesk(cfg)
	defer d.Close()
	return f(d)
}

// Drain takes a server out of use and waits until the registry tells of it.
func (d *Desk) Drain(ctx context.Context, env wire.Env, o DrainOptions) error {
	o.Weight = 0
	return d.weigh(ctx, env, "drain", o)
}

// Undrain brings a server back, also one that was disabled in Nacos' console.
func (d *Desk) Undrain(ctx context.Context, env wire.Env, o DrainOptions) error {
	if o.Weight == 0 {
		o.Weight = 1
	}
	if o.Weight < 0.01 || o.Weight > 10000 {
		return errors.New("the weight must be a number from 0.01 to 10000")
	}
	return d.weigh(ctx, env, "undrain", o)
}

func (d *Desk) weigh(ctx context.Context, env wire.Env, action string, o DrainOptions) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if d.cfg.Registry().Mode != config.ModeNacos {
		return errors.New("not possible in registry mode direct: there servers have no weights; end the server with SIGTERM, it finishes what it has")
	}
	if d.noFleet != nil {
		return d.noFleet
	}
	if err := d.fleet.ready(ctx, d.cfg); err != nil {
		return err
	}
	servers := d.fleet.client.Servers()
	i := slices.IndexFunc(servers, func(s rpc.Instance) bool { return s.Address == o.Server })
	switch {
	case i < 0 && action == "drain":
		return fmt.Errorf("no server %s is registered: see `parley status`", o.Server)
	case action == "drain" && !o.Force && d.alone(ctx, o.Server):
		return errors.New("refused, nothing was changed: no other server would take turns then, and people would wait; start another, or go on with --force")
	}
	was := ""
	if i >= 0 {
		was = strconv.FormatFloat(servers[i].Weight, 'g', -1, 64)
	}
	weight := strconv.FormatFloat(o.Weight, 'g', -1, 64)
	e := audit.Entry{Action: action, Object: o.Server, Reason: o.Reason, Details: map[string]string{"was": was, "weight": weight}}
	if ahead(env) {
		if _, err := Record(ctx, env, d.store, d.cfg.Audit(), e); err != nil {
			return unrecorded(err)
		}
	}
	if err := wire.Registry(d.cfg.Registry()).Nacos.Weigh(ctx, o.Server, o.Weight); err != nil {
		return err
	}
	if !ahead(env) {
		recordAfter(ctx, env, d, e)
	}
	if !d.awaitWeight(ctx, o) {
		return errors.New("Nacos took it, but does not tell of it yet: see `parley status`")
	}
	fmt.Fprintf(env.Stdout, "%s has the weight %s in the registry now\n", o.Server, weight)
	return nil
}

// alone reports whether no other server takes turns.
func (d *Desk) alone(ctx context.Context, server string) bool {
	return !slices.ContainsFunc(d.fleet.ask(ctx), func(s serverReport) bool { return s.Address != server && s.Up && s.takesTurns() })
}

func (d *Desk) awaitWeight(ctx context.Context, o DrainOptions) bool {
	for range 80 {
		for _, s := range d.fleet.client.Servers() {
			if s.Address == o.Server && s.Weight == o.Weight {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false
}
