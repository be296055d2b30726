package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/route"
	"parley/internal/telemetry"
	"parley/internal/tenant"
)

// board is what an operator's command sees of the live documents.
type board struct {
	source liveconfig.Source
	closer io.Closer
	table  *route.Table // parley-routes as published, without keys
}

// openBoard reads parley-routes, and waits a little for the source.
func openBoard(ctx context.Context, cfg config.Either) (*board, error) {
	source, closer, err := openSource(cfg.Live(), cfg.Registry(), telemetry.Discard())
	if err != nil {
		return nil, err
	}
	b := &board{source: source, closer: closer}
	if err := b.load(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *board) close() { _ = b.closer.Close() }

func (b *board) load(ctx context.Context) error {
	content, exists, err := b.get(ctx, routesDocument)
	if err != nil {
		return fmt.Errorf("reading %s: %w", routesDocument, err)
	}
	if !exists {
		return fmt.Errorf("%s does not exist: nothing can be degraded before it is published", routesDocument)
	}
	b.table, err = route.Parse(content, route.Options{Source: routesDocument, Revision: liveconfig.Revision(content), ReadOnly: true})
	return err
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

// scoped is what the switch needs to know of one tenant.
type scoped struct {
	name      string
	missing   bool     // it has no document
	providers []string // that it allows; nil: all
	own       []string // providers that it brings keys for
}

func (s scoped) allows(provider string) bool {
	return s.providers == nil || slices.Contains(s.providers, provider)
}
func (s scoped) brings(provider string) bool { return slices.Contains(s.own, provider) }

// tenants reads the documents of the named tenants, or of all that there are, by name.
func (b *board) tenants(ctx context.Context, names []string) ([]scoped, error) {
	if len(names) == 0 {
		listed, err := b.source.List(ctx, tenantPrefix)
		if err != nil {
			return nil, fmt.Errorf("listing the tenants: %w", err)
		}
		for _, n := range listed {
			names = append(names, strings.TrimPrefix(n, tenantPrefix))
		}
	}
	all := make([]scoped, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	room := make(chan struct{}, 16) // a company may have a thousand tenants
	for i, name := range names {
		room <- struct{}{}
		wg.Go(func() {
			all[i], errs[i] = b.tenant(ctx, name)
			<-room
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("reading %s%s: %w", tenantPrefix, names[i], err)
		}
	}
	slices.SortFunc(all, func(a, b scoped) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// tenant reads one document as far as it can be read: whether it is faulty is not asked here. Its secrets need not be on this machine.
func (b *board) tenant(ctx context.Context, name string) (scoped, error) {
	content, exists, err := b.get(ctx, tenantPrefix+name)
	if err != nil || !exists {
		return scoped{name: name, missing: true}, err
	}
	t := tenant.Decode(content, tenant.Options{
		File: tenantPrefix + name, Name: name, Resolve: func(string, string) (chat.Secret, error) { return standIn(), nil },
	}).Tenant
	s := scoped{name: name, providers: t.Providers}
	for provider := range t.Keys {
		s.own = append(s.own, provider)
	}
	return s, nil
}
