package app

import (
	"context"
	"maps"
	"slices"
	"sync"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/liveconfig"
	"parley/internal/route"
	"parley/internal/secret"
)

// directory knows the tenants of this process as their documents have them at this moment.
type directory struct {
	companies *liveconfig.Set[*wire.Company]
	routes    *liveconfig.Value[*route.Table]
	named     []string    // the tenants that the static configuration names; none: all that the source lists
	loaded    func() bool // whether the documents were loaded once
}

var _ conversation.Directory = (*directory)(nil)

// Tenant implements conversation.Directory.
func (d *directory) Tenant(name string) (*chat.Tenant, bool) {
	c, ok := d.companies.Get(name)
	if !ok {
		return nil, false
	}
	return c.Tenant, true
}

// moderator judges a tenant's texts; nil: nobody does.
func (d *directory) moderator(tenant string) chat.Moderator {
	if c, ok := d.companies.Get(tenant); ok && c.Rules != nil {
		return c.Rules
	}
	return nil
}

// Tenants implements conversation.Directory.
func (d *directory) Tenants() []string { return slices.Sorted(maps.Keys(d.companies.All())) }

// Outlet implements conversation.Directory.
func (d *directory) Outlet(tenant, name string) (conversation.Outlet, bool) {
	return d.channel(tenant, name)
}

func (d *directory) channel(tenant, name string) (channel.Channel, bool) {
	c, ok := d.companies.Get(tenant)
	if !ok {
		return nil, false
	}
	ch, ok := c.Channels[name]
	return ch, ok
}

// lookup is for what comes in: a suspended tenant accepts nothing, and one whose document is not loaded here yet is not unknown.
func (d *directory) lookup(tenant, name string) (channel.Channel, error) {
	const op = "lookup"
	t, ok := d.Tenant(tenant)
	switch {
	case !ok && d.awaited(tenant):
		return nil, chat.E(chat.Unavailable, op, nil)
	case !ok, t.Suspended:
		return nil, chat.E(chat.NotFound, op, nil)
	}
	ch, ok := d.channel(tenant, name)
	if !ok {
		return nil, chat.E(chat.NotFound, op, nil)
	}
	return ch, nil
}

// awaited reports whether this process is to serve a tenant whose document it has not: it names the tenant, or has not seen the list, or
// the document is refused.
func (d *directory) awaited(tenant string) bool {
	if slices.Contains(d.named, tenant) || len(d.named) == 0 && !d.loaded() {
		return true
	}
	for _, h := range d.companies.Health() {
		if h.Name == wire.TenantPrefix+tenant {
			return !h.Missing
		}
	}
	return false
}

// Models implements conversation.Directory: the tenant's default first.
func (d *directory) Models(tenant string) []string {
	t, ok := d.routes.Get()
	c, known := d.Tenant(tenant)
	if !ok || !known {
		return nil
	}
	list := slices.DeleteFunc(t.Models(tenant), func(m string) bool { return m == c.Model })
	return append([]string{c.Model}, list...)
}

// liveWriter tells the channel's readers in this process of what it wrote for all.
type liveWriter struct {
	conversation.LiveWriter
	tenants *directory
}

// Write implements conversation.LiveWriter.
func (l liveWriter) Write(ctx context.Context, key chat.ConversationKey, t chat.Live) (bool, error) {
	read, err := l.LiveWriter.Write(ctx, key, t)
	if !read {
		return read, err
	}
	if ch, ok := l.tenants.channel(key.Tenant, key.Channel); ok {
		if w, ok := ch.(channel.LiveWatcher); ok {
			w.LiveChanged(key)
		}
	}
	return read, err
}

// close ends what the channels in force keep open.
func (d *directory) close() {
	for _, c := range d.companies.All() {
		c.Close()
	}
}

// companies watches the tenants' documents: the named ones, or with no names every one that the source lists.
func companies(src liveconfig.Source, names []string, secrets *secret.Store, deps channel.Deps, m *liveconfig.Metrics) *liveconfig.Set[*wire.Company] {
	set := liveconfig.NewSet(liveconfig.SetOptions[*wire.Company]{
		Prefix: wire.TenantPrefix, Names: names, Source: src, Log: deps.Log, Metrics: m, Valid: chat.ValidName,
		Decode: func(d liveconfig.Document) (*wire.Company, error) {
			return wire.DecodeCompany(d, secrets.ResolveTenant, deps)
		},
	})
	var current sync.Map // by name; a name's swaps come one at a time
	set.Subscribe(func(name string, c *wire.Company) {
		if old, ok := current.Swap(name, c); ok {
			old.(*wire.Company).Close()
		}
	})
	return set
}
