package operate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/route"
)

// DegradeOptions are the flags of `parley degrade`.
type DegradeOptions struct {
	To        string // provider or provider/model
	ID        string // of the switch; empty: made from the scope
	Tenants   []string
	Providers []string
	Reason    string
	For       time.Duration // 0: until restored
	Ramp      time.Duration // with For: how long before the end turns begin to return by share; 0: all at the end
	Drill     bool          // show, change nothing
	Force     bool          // in spite of objections
}

func (o DegradeOptions) id() string {
	if o.ID != "" {
		return o.ID
	}
	if scope := slices.Concat(o.Tenants, o.Providers); len(scope) > 0 {
		return strings.Join(scope, "-")
	}
	return "all"
}

// RestoreOptions are the flags of `parley restore`.
type RestoreOptions struct {
	IDs    []string      // the switches; none: all that are on
	Ramp   time.Duration // 0: at once; else turns return by share within this time
	Reason string
}

// change is one operator's change of parley-degradation while it is made.
type change struct {
	env   wire.Env
	cfg   config.Either
	desk  *Desk
	board *board
	fleet *fleet // nil: the servers cannot be asked, and unasked says why
	by    string

	unasked error
	done    Switching
}

// servers asks all servers; none if that cannot be done.
func (c *change) servers(ctx context.Context) []serverReport {
	if c.fleet == nil {
		return nil
	}
	return c.fleet.ask(ctx)
}

// Degrade is `parley degrade`: it switches turns to another provider on every server, after showing what that does, and waits until the
// servers have it. With an objection (see plan) it fails and changes nothing, but for Force. A drill never fails for an objection.
func Degrade(ctx context.Context, env wire.Env, path string, o DegradeOptions) error {
	cfg, err := config.Load(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	return DegradeWith(ctx, env, cfg, o)
}

// DegradeWith is Degrade by a configuration at hand.
func DegradeWith(ctx context.Context, env wire.Env, cfg config.Either, o DegradeOptions) error {
	d := OpenDesk(cfg)
	defer d.Close()
	_, err := d.Degrade(ctx, env, o)
	return err
}

// Degrade switches turns to another provider, or shows what that would do. What it says for people goes to env.Stdout; the result is there, as
// far as it came, also with an error.
func (d *Desk) Degrade(ctx context.Context, env wire.Env, o DegradeOptions) (Switching, error) {
	return d.change(ctx, env, func(ctx context.Context, c *change) error {
		if err := errors.Join(o.Check(), o.against(c.board.table)); err != nil {
			return err
		}
		tenants, err := c.board.tenants(ctx, o.Tenants)
		if err != nil {
			return err
		}
		known := facts{table: c.board.table, tenants: tenants, servers: c.servers(ctx), unasked: c.unasked}
		return c.try(ctx, func(ctx context.Context, old []byte, e *switchEdit, was *route.Degradation) (string, error) {
			return c.degrade(ctx, o, known, old, e, was)
		})
	})
}

// Restore is `parley restore`: it switches the named switches off, or all; with a ramp it lets them end by share.
func Restore(ctx context.Context, env wire.Env, path string, o RestoreOptions) error {
	cfg, err := config.Load(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	return RestoreWith(ctx, env, cfg, o)
}

// RestoreWith is Restore by a configuration at hand.
func RestoreWith(ctx context.Context, env wire.Env, cfg config.Either, o RestoreOptions) error {
	d := OpenDesk(cfg)
	defer d.Close()
	_, err := d.Restore(ctx, env, o)
	return err
}

// Restore switches off; its result is as Degrade's.
func (d *Desk) Restore(ctx context.Context, env wire.Env, o RestoreOptions) (Switching, error) {
	return d.change(ctx, env, func(ctx context.Context, c *change) error {
		return c.try(ctx, func(ctx context.Context, old []byte, e *switchEdit, was *route.Degradation) (string, error) {
			return c.restore(ctx, o, old, e, was)
		})
	})
}

func (d *Desk) change(ctx context.Context, env wire.Env, f func(context.Context, *change) error) (Switching, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := &change{env: env, cfg: d.cfg, desk: d, by: actor(env)}
	var err error
	if c.board, err = d.read(); err != nil {
		return c.done, err
	}
	if err := c.board.load(ctx); err != nil {
		return c.done, err
	}
	// Without it a degrade has an objection, and a restore publishes: it must work in any trouble.
	if c.unasked = d.noFleet; d.fleet != nil {
		if c.unasked = d.fleet.ready(ctx, d.cfg); c.unasked == nil {
			c.fleet = d.fleet
		}
	}
	err = f(ctx, c)
	return c.done, err
}

// try reads the document, has it changed by edit, and waits for the revision that edit returns ("": nothing was changed). Whoever was faster
// wins: then edit gets their form.
func (c *change) try(ctx context.Context, edit func(context.Context, []byte, *switchEdit, *route.Degradation) (string, error)) error {
	for {
		old, exists, err := c.board.get(ctx, wire.DegradationDocument)
		if err != nil {
			return err
		}
		if !exists {
			old = nil
		}
		e, was, err := openSwitches(old)
		if err != nil {
			return err
		}
		c.done = Switching{}
		revision, err := edit(ctx, old, e, was)
		switch {
		case errors.Is(err, liveconfig.ErrConflict):
			fmt.Fprintln(c.env.Stderr, "somebody else changed the document meanwhile; trying again on the new form")
		case err != nil || revision == "":
			return err
		default:
			return c.await(ctx, revision)
		}
	}
}

func (c *change) degrade(ctx context.Context, o DegradeOptions, known facts, old []byte, e *switchEdit, was *route.Degradation) (string, error) {
	now := time.Now()
	e.degrade(o, c.by, now)
	content, is, err := e.result()
	if err != nil {
		return "", err
	}
	p := newPlan(o, known, was, is, now)
	c.done.plan(p)
	c.done.Difference = difference(old, content)
	p.print(c.env.Stdout)
	fmt.Fprint(c.env.Stdout, c.done.Difference)
	if err := c.allowed(p); err != nil || o.Drill {
		return "", err
	}
	if bytes.Equal(old, content) {
		return liveconfig.Revision(content), nil
	}
	s := find(is, o.id())
	return c.publish(ctx, edit{"degrade", old, content, []*route.Switch{s}, o.Reason, p.objections})
}

// allowed fails if an objection stands in the way, and tells what a drill found or what is forced.
func (c *change) allowed(p *plan) error {
	var text strings.Builder
	fatal := false
	for _, o := range p.objections {
		fmt.Fprintf(&text, "\n  %s", o)
		fatal = fatal || o.Fatal
	}
	n := len(p.objections)
	switch {
	case p.options.Drill && n == 0:
		fmt.Fprintln(c.env.Stdout, "\nnothing speaks against it\ndrill: nothing was changed")
	case p.options.Drill:
		fmt.Fprintf(c.env.Stdout, "\nit would be refused%s:%s\ndrill: nothing was changed\n", map[bool]string{false: " without --force"}[fatal], text.String())
	case n > 0 && (fatal || !p.options.Force):
		how := "mend that, or go on with --force"
		if fatal {
			how = "mend that; --force does not help against all of it"
		}
		return fmt.Errorf("refused, nothing was changed; %s:%s", how, text.String())
	case n > 0:
		fmt.Fprintf(c.env.Stdout, "\nforced in spite of:%s\n", text.String())
	}
	return nil
}

func (c *change) restore(ctx context.Context, o RestoreOptions, old []byte, e *switchEdit, was *route.Degradation) (string, error) {
	done, err := e.restore(o, was, c.by, time.Now())
	if err != nil {
		return "", err
	}
	c.done.Notes = done.notes
	for _, note := range done.notes {
		fmt.Fprintln(c.env.Stdout, note)
	}
	if o.Ramp > 0 && len(done.ids) > 0 {
		fmt.Fprintf(c.env.Stdout, "turns return by share within %s: a conversation that has returned stays\n", briefly(o.Ramp))
	}
	if len(done.ids) == 0 && !c.lost(ctx, old, e.blank) {
		fmt.Fprintln(c.env.Stdout, "no switch was changed: there is nothing to restore")
		return "", nil
	}
	content, is, err := e.result()
	if err != nil {
		return "", err
	}
	c.done.Difference = difference(old, content)
	fmt.Fprint(c.env.Stdout, c.done.Difference)
	var switches []*route.Switch
	for _, id := range done.ids {
		switches = append(switches, find(is, id))
	}
	return c.publish(ctx, edit{"restore", old, content, switches, o.Reason, nil})
}

// lost reports whether the document is gone or emptied while servers still keep a form of it: then publishing one without switches is what
// restores.
func (c *change) lost(ctx context.Context, old []byte, blank bool) bool {
	if !blank {
		return false
	}
	what := "does not exist"
	if old != nil {
		what = "was emptied, which servers refuse"
	}
	for _, s := range c.servers(ctx) {
		if d, ok := s.document(wire.DegradationDocument); ok && d.Revision != "" && d.Revision != revisionOf(old) {
			fmt.Fprintf(c.env.Stdout, "%s %s, and %s keeps its last form (%s): publishing one without switches\n",
				wire.DegradationDocument, what, s.Address, d.Revision)
			return true
		}
	}
	return false
}

// operator names who runs the command.
func operator() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return cmp.Or(name, "unknown") + "@" + cmp.Or(host, "unknown")
}

// await says how long the servers took to have the new form in force.
func (c *change) await(ctx context.Context, revision string) error {
	c.done.Revision = revision
	if c.fleet == nil {
		return fmt.Errorf("published as revision %s, but the servers cannot be asked: %w", revision, c.unasked)
	}
	began := time.Now()
	for {
		servers, have := c.servers(ctx), 0
		for _, s := range servers {
			if s.has(wire.DegradationDocument, revision) {
				have++
			}
		}
		c.done.Have, c.done.Servers, c.done.Took = have, len(servers), time.Since(began).Seconds()
		if have == len(servers) && have > 0 {
			fmt.Fprintf(c.env.Stdout, "revision %s is in force on %d of %d servers\n", revision, have, len(servers))
			return nil
		}
		if time.Since(began) > 6*time.Second {
			if len(servers) == 0 {
				return errors.New("published, but no server is registered: nothing answers at all")
			}
			fmt.Fprintf(c.env.Stdout, "revision %s is in force on %d of %d servers\n", revision, have, len(servers))
			return errors.New("published, but not every server has it: see `parley status`")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
