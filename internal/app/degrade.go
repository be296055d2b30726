package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/route"
	"parley/internal/telemetry"
	"parley/internal/tenant"
)

// DegradeOptions are the flags of `parley degrade`.
type DegradeOptions struct {
	To        string // provider or provider/model
	ID        string // of the switch; empty: made from the scope
	Tenants   []string
	Providers []string
	Reason    string
	For       time.Duration // 0: until restored
	Drill     bool          // show, change nothing
	Force     bool          // also when a tenant in the scope does not allow the target
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

// Degrade is `parley degrade`: it switches turns to another provider on every server, after showing what that changes. It refuses what a
// tenant in the scope does not allow, and what leads nowhere.
func Degrade(ctx context.Context, env Env, path string, o DegradeOptions) error {
	return change(ctx, env, path, o.Drill, func(e *switchEdit, by string) (string, error) {
		e.degrade(o, by, time.Now())
		return "degrade", nil
	}, func(ctx context.Context, b *board) error { return b.allowed(ctx, o) })
}

// Restore is `parley restore`: it switches the named switches off, or all.
func Restore(ctx context.Context, env Env, path string, ids []string) error {
	return change(ctx, env, path, false, func(e *switchEdit, by string) (string, error) {
		done, err := e.restore(ids, by)
		if err == nil && len(done) == 0 {
			err = errNothing
		}
		return "restore", err
	}, nil)
}

var errNothing = errors.New("no switch is active: nothing to restore")

// board is what an operator's command sees of the live documents.
type board struct {
	env    Env
	source liveconfig.Source
	table  *route.Table
}

// change edits parley-degradation by compare-and-set, shows the difference, records who and when, and waits until the servers have it.
func change(ctx context.Context, env Env, path string, drill bool, edit func(*switchEdit, string) (string, error), judge func(context.Context, *board) error) error {
	cfg, err := config.Load(path, config.Options{Secrets: secretsOf(nil).static})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	source, closer, err := openSource(cfg.Live(), cfg.Registry(), telemetry.Discard())
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	b := &board{env: env, source: source}
	if err := b.load(ctx); err != nil {
		return err
	}
	if judge != nil {
		if err := judge(ctx, b); err != nil {
			return err
		}
	}
	for {
		revision, err := b.publish(ctx, drill, edit)
		switch {
		case errors.Is(err, liveconfig.ErrConflict):
			fmt.Fprintln(env.Stderr, "somebody else changed the document meanwhile; trying again on the new form")
			continue
		case errors.Is(err, errNothing):
			fmt.Fprintln(env.Stdout, err)
			return nil
		case err != nil || drill:
			return err
		}
		return awaitRevision(ctx, env, cfg, revision)
	}
}

// get reads a document, waiting a little for a connection that is only being made.
func (b *board) get(ctx context.Context, name string) ([]byte, bool, error) {
	for end := time.Now().Add(8 * time.Second); ; {
		content, exists, err := b.source.Get(ctx, name)
		if err == nil || time.Now().After(end) {
			return content, exists, err
		}
		select {
		case <-ctx.Done():
			return nil, false, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *board) load(ctx context.Context) error {
	content, exists, err := b.get(ctx, routesDocument)
	if err != nil {
		return fmt.Errorf("reading %s: %w", routesDocument, err)
	}
	if !exists {
		return fmt.Errorf("%s does not exist: nothing can be degraded before it is published", routesDocument)
	}
	b.table, err = route.Parse(content, route.Options{Source: routesDocument, ReadOnly: true})
	return err
}

func (b *board) publish(ctx context.Context, drill bool, edit func(*switchEdit, string) (string, error)) (revision string, err error) {
	old, exists, err := b.get(ctx, degradationDocument)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", degradationDocument, err)
	}
	if !exists {
		old = nil
	}
	if _, err := route.ParseDegradation(old, degradationDocument, ""); err != nil {
		return "", fmt.Errorf("what stands there is faulty; mend it by hand first: %w", err)
	}
	e, err := editSwitches(old)
	if err != nil {
		return "", err
	}
	by := operator()
	action, err := edit(e, by)
	if err != nil {
		return "", err
	}
	content, err := e.bytes()
	if err != nil {
		return "", err
	}
	switches, err := route.ParseDegradation(content, degradationDocument, "")
	if err != nil {
		return "", err
	}
	if action == "degrade" { // switching off is never refused for another switch's fault
		if err := switches.Check(b.table, time.Now()); err != nil {
			return "", err
		}
	}
	fmt.Fprint(b.env.Stdout, difference(old, content))
	if drill {
		fmt.Fprintln(b.env.Stdout, "drill: nothing was changed")
		return "", nil
	}
	if bytes.Equal(old, content) {
		return liveconfig.Revision(content), nil
	}
	if err := b.source.Publish(ctx, degradationDocument, content, old); err != nil {
		return "", err
	}
	revision = liveconfig.Revision(content)
	slog.New(slog.NewJSONHandler(b.env.Stderr, nil)).Info("audit", "action", action, "document", degradationDocument, "by", by,
		"was", revisionOf(old), "revision", revision)
	return revision, nil
}

func revisionOf(content []byte) string {
	if content == nil {
		return ""
	}
	return liveconfig.Revision(content)
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

// allowed names the tenants in the scope that do not let their data go to the target.
func (b *board) allowed(ctx context.Context, o DegradeOptions) error {
	provider, _, _ := strings.Cut(o.To, "/")
	names := o.Tenants
	if len(names) == 0 {
		listed, err := b.source.List(ctx, tenantPrefix)
		if err != nil {
			return fmt.Errorf("listing the tenants: %w", err)
		}
		for _, n := range listed {
			names = append(names, strings.TrimPrefix(n, tenantPrefix))
		}
	}
	var forbid []string
	for _, name := range names {
		content, exists, err := b.get(ctx, tenantPrefix+name)
		if err != nil {
			return err
		}
		if !exists {
			return fmt.Errorf("there is no tenant %q", name)
		}
		t := tenant.Decode(content, tenant.Options{File: tenantPrefix + name, Name: name}).Tenant
		if t.Providers != nil && !slices.Contains(t.Providers, provider) {
			forbid = append(forbid, name)
		}
	}
	if len(forbid) == 0 {
		return nil
	}
	text := fmt.Sprintf("these tenants do not let their data go to %s: %s", provider, strings.Join(forbid, ", "))
	if !o.Force && !o.Drill {
		return errors.New(text + ". Their turns stay on what is left of their routes, or fail. Name other tenants with --tenant, or go on with --force")
	}
	fmt.Fprintln(b.env.Stdout, text)
	return nil
}

// awaitRevision says how long the servers took to have the new form in force.
func awaitRevision(ctx context.Context, env Env, cfg config.Either, revision string) error {
	began := time.Now()
	for end := began.Add(6 * time.Second); ; {
		servers, err := askServers(ctx, cfg)
		if err != nil && time.Now().After(end) {
			return fmt.Errorf("published, but the servers could not be asked: %w", err)
		}
		if err == nil && len(servers) == 0 && time.Now().After(end) {
			return errors.New("published, but no server is registered: nothing answers at all")
		}
		have := 0
		for _, s := range servers {
			for _, d := range s.Documents {
				if d.Name == degradationDocument && d.Revision == revision && d.Refused == "" {
					have++
				}
			}
		}
		if have == len(servers) && have > 0 || time.Now().After(end) {
			fmt.Fprintf(env.Stdout, "revision %s is in force on %d of %d servers\n", revision, have, len(servers))
			if have < len(servers) {
				return errors.New("not every server has it: see `parley status`")
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
