package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/redisstore"
)

// Status asks everybody at once: one that is away must not keep what the others know. With an error the report holds what is known.
func (d *Desk) Status(ctx context.Context) (StatusReport, error) {
	var r StatusReport
	servers, live, redis := d.noFleet, d.noBoard, d.noStore
	var wg sync.WaitGroup
	board, _ := d.read()
	if board != nil {
		wg.Go(func() { r.Switches, live = askSwitches(ctx, board) })
	}
	if d.fleet != nil {
		wg.Go(func() { r.Servers, servers = askServers(ctx, d.fleet, d.cfg) })
	}
	if r.asked = d.store != nil; r.asked {
		wg.Go(func() { r.Clients, r.Tenants, redis = d.askRedis(ctx) })
	}
	wg.Wait()
	r.Unknown = unknownReport{Servers: textOf(servers), Switches: textOf(live), Redis: textOf(redis)}
	if live == nil {
		r.Switches.Unknown = unknownTenants(ctx, board, r.Switches)
		live = r.caps(ctx, board)
	}
	return r, errors.Join(servers, live, redis)
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

func askServers(ctx context.Context, f *fleet, cfg config.Either) ([]serverReport, error) {
	if err := f.ready(ctx, cfg); err != nil {
		return nil, err
	}
	return append([]serverReport{}, f.ask(ctx)...), nil // [], not null
}

// askSwitches reads the switches as published, and the routes to judge them by if those can be read.
func askSwitches(ctx context.Context, b *board) (*switchesReport, error) {
	content, exists, err := b.get(ctx, wire.DegradationDocument)
	if err != nil {
		return nil, err
	}
	r := &switchesReport{Switches: []switchReport{}}
	broken := b.load(ctx) // which is no reason to hide the switches
	if exists {
		r = reportSwitches(content, b.table, time.Now())
	}
	r.Unjudged = textOf(broken)
	return r, nil
}

// unknownTenants lists what switches in force name and nobody has a document for.
func unknownTenants(ctx context.Context, b *board, r *switchesReport) []string {
	var named []string
	for _, s := range r.Switches {
		named = append(named, s.Tenants...)
	}
	if len(named) == 0 {
		return r.Unknown
	}
	documents, err := b.source.List(ctx, wire.TenantPrefix)
	if err != nil {
		return r.Unknown // it answered a moment ago; the switches are shown all the same
	}
	for _, s := range r.Switches {
		for _, t := range s.Tenants {
			if !slices.Contains(documents, wire.TenantPrefix+t) {
				r.Unknown = append(r.Unknown, fmt.Sprintf("switch %q names the tenant %s, which has no document %s%s", s.ID, t, wire.TenantPrefix, t))
			}
		}
	}
	return r.Unknown
}

// caps takes from the tenants' documents what Redis does not know: their daily caps, and what does not fit parley-routes.
func (r *StatusReport) caps(ctx context.Context, b *board) error {
	var names []string
	for _, t := range r.Tenants {
		names = append(names, t.Tenant)
	}
	if len(names) == 0 {
		return nil
	}
	tenants, err := b.tenants(ctx, names)
	for _, t := range tenants {
		for i := range r.Tenants {
			if r.Tenants[i].Tenant == t.name {
				r.Tenants[i].Usage.setCap(t.limits)
				r.Tenants[i].Misfits = t.misfits
			}
		}
	}
	return err
}

func (d *Desk) askRedis(ctx context.Context) ([]wire.ClientState, []tenantReport, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	store, err := d.keeps(ctx)
	if err != nil {
		return nil, nil, err
	}
	docs, err := store.Clients(ctx)
	if err != nil {
		return nil, nil, d.redis(err)
	}
	clients := decodeClients(docs)
	tenants, err := d.askTenants(ctx, store, tenantsOf(d.cfg, clients))
	return clients, tenants, err
}

func decodeClients(docs map[string][]byte) (clients []wire.ClientState) {
	for _, doc := range docs {
		var c wire.ClientState
		if json.Unmarshal(doc, &c) != nil {
			continue // a newer release's form
		}
		clients = append(clients, c)
	}
	slices.SortFunc(clients, func(a, b wire.ClientState) int { return cmp.Compare(a.ID, b.ID) })
	return clients
}

// tenantsOf are the tenants that the configuration names, and those that living clients serve.
func tenantsOf(cfg config.Either, clients []wire.ClientState) []string {
	names := slices.Clone(cfg.Tenants())
	for _, c := range clients {
		names = append(names, c.Tenants...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *Desk) askTenants(ctx context.Context, store *redisstore.Store, names []string) ([]tenantReport, error) {
	var out []tenantReport
	for _, name := range names {
		st, err := store.Stats(ctx, name)
		if err != nil {
			return out, fmt.Errorf("redis: %w", err)
		}
		usage, err := d.usageToday(ctx, store, name, time.Now())
		if err != nil {
			return out, err
		}
		out = append(out, tenantReport{name, st.Waiting, st.Running, st.Ready, st.Oldest.Seconds(), st.Dead, st.Ended, usage, st.Postponed, nil})
	}
	return out, nil
}
