package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/app/wire"
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
	nacos  []string     // its addresses; none: the source is a folder
	table  *route.Table // parley-routes as published, without keys
}

// connectBoard opens the source, and waits for nothing: the table is missing. Close it.
func connectBoard(cfg config.Either) (*board, error) {
	source, closer, err := wire.OpenSource(cfg.Live(), cfg.Registry(), telemetry.Discard())
	if err != nil {
		return nil, err
	}
	b := &board{source: source, closer: closer}
	if cfg.Live().Source == config.SourceNacos {
		b.nacos = cfg.Registry().Nacos.Addrs
	}
	return b, nil
}

func (b *board) close() { _ = b.closer.Close() }

func (b *board) load(ctx context.Context) error {
	content, exists, err := b.get(ctx, wire.RoutesDocument)
	if err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("%s does not exist: nothing can be degraded before it is published", wire.RoutesDocument)
	}
	b.table, err = route.Parse(content, route.Options{Source: wire.RoutesDocument, Revision: liveconfig.Revision(content), ReadOnly: true})
	return err
}

// patience is how long a command waits for a source or a registry that does not answer: connections are only being made.
const patience = 8 * time.Second

// get reads a document, waiting a little for a connection that is only being made.
func (b *board) get(ctx context.Context, name string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var said error
	for {
		content, exists, err := b.source.Get(ctx, name)
		if err == nil {
			return content, exists, nil
		}
		said = telling(said, err)
		select {
		case <-ctx.Done():
			return nil, false, b.explain("reading "+name, said)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// refused reports whether Nacos does not take the login: then the error says what to mend.
func refused(err error) bool {
	kind := chat.KindOf(err)
	return kind == chat.Unauthenticated || kind == chat.Forbidden
}

// telling is the one of two errors of the same question that says more: that the time ended says nothing where Nacos refused before.
func telling(before, err error) error {
	if refused(before) && !refused(err) {
		return before
	}
	return err
}

// publish is the source's own, with an error that says where it is.
func (b *board) publish(ctx context.Context, name string, content, old []byte) error {
	err := b.source.Publish(ctx, name, content, old)
	if err == nil || errors.Is(err, liveconfig.ErrConflict) {
		return err
	}
	return b.explain("publishing "+name, err)
}

// explain says what the SDK's words do not: where Nacos was looked for, and what to do.
func (b *board) explain(what string, err error) error {
	where := strings.Join(b.nacos, ", ")
	switch text := err.Error(); {
	case where == "":
		return fmt.Errorf("%s: %w", what, err)
	case refused(err):
		return fmt.Errorf("%s: %s; servers keep what they have", what, wire.Reason(err))
	case strings.Contains(text, "client not connected"), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer from Nacos at %s within %v: start it, or mend registry.nacos (addrs, username, password); servers keep what they have",
			what, where, patience)
	default:
		return fmt.Errorf("%s from Nacos at %s: %w", what, where, err)
	}
}

// scoped is what the switch needs to know of one tenant.
type scoped struct {
	name      string
	missing   bool     // it has no document
	providers []string // that it allows; nil: all
	own       []string // providers that it brings keys for
	limits    chat.TenantLimits
	misfits   []string // what of its document does not fit parley-routes, if those are known
}

func (s scoped) allows(provider string) bool {
	return s.providers == nil || slices.Contains(s.providers, provider)
}
func (s scoped) brings(provider string) bool { return slices.Contains(s.own, provider) }

// tenants reads the documents of the named tenants, or of all that there are, by name.
func (b *board) tenants(ctx context.Context, names []string) ([]scoped, error) {
	if len(names) == 0 {
		listed, err := b.source.List(ctx, wire.TenantPrefix)
		if err != nil {
			return nil, b.explain("listing the tenants", err)
		}
		for _, n := range listed {
			names = append(names, strings.TrimPrefix(n, wire.TenantPrefix))
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
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b scoped) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// tenant reads one document as far as it can be read: whether it is faulty is not asked here. Its secrets need not be on this machine.
func (b *board) tenant(ctx context.Context, name string) (scoped, error) {
	content, exists, err := b.get(ctx, wire.TenantPrefix+name)
	if err != nil || !exists {
		return scoped{name: name, missing: true}, err
	}
	t := tenant.Decode(content, tenant.Options{
		File: wire.TenantPrefix + name, Name: name, Resolve: func(_, ref string) (chat.Secret, error) { return standIn(ref), nil },
	}).Tenant
	s := scoped{name: name, providers: t.Providers, limits: t.Limits}
	for provider := range t.Keys {
		s.own = append(s.own, provider)
	}
	if b.table != nil {
		for _, f := range wire.Misfits(b.table, t, false) {
			s.misfits = append(s.misfits, f.String())
		}
	}
	return s, nil
}
