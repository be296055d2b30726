package app

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"parley/internal/channel"
	"parley/internal/channel/all"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/liveconfig"
	"parley/internal/route"
	"parley/internal/secret"
	"parley/internal/tenant"
)

// company is one tenant's document in force, with its channels.
type company struct {
	tenant   *chat.Tenant
	channels map[string]channel.Channel
}

// directory knows the tenants of this process as their documents have them at this moment.
type directory struct {
	companies *liveconfig.Set[*company]
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
	return c.tenant, true
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
	ch, ok := c.channels[name]
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
		if h.Name == tenantPrefix+tenant {
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
		c.close()
	}
}

// decodeCompany makes a tenant and its channels of a document, or says everything that is wrong with it.
func decodeCompany(d liveconfig.Document, resolve func(tenant, ref string) (chat.Secret, error), deps channel.Deps) (*company, error) {
	doc := tenant.Decode(d.Content, tenant.Options{
		File: d.Name, Name: strings.TrimPrefix(d.Name, tenantPrefix), Revision: d.Revision,
		Resolve: resolve, Kinds: all.Kinds(), Texts: conversation.TextNames(),
	})
	c := &company{tenant: doc.Tenant, channels: map[string]channel.Channel{}}
	var broken []error
	for _, ch := range doc.Channels {
		made, err := all.New(ch.Kind, ch.Settings, deps)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		c.channels[ch.Name] = made
	}
	err := doc.Err()
	if err == nil { // what is wrong with a channel as a whole often follows from a fault of a field
		err = errors.Join(broken...)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close ends what channels keep open: streams to browsers.
func (c *company) close() {
	for _, ch := range c.channels {
		if cl, ok := ch.(io.Closer); ok {
			_ = cl.Close()
		}
	}
}

// companies watches the tenants' documents: the named ones, or with no names every one that the source lists.
func companies(src liveconfig.Source, names []string, secrets *secret.Store, deps channel.Deps, m *liveconfig.Metrics) *liveconfig.Set[*company] {
	set := liveconfig.NewSet(liveconfig.SetOptions[*company]{
		Prefix: tenantPrefix, Names: names, Source: src, Log: deps.Log, Metrics: m, Valid: chat.ValidName,
		Decode: func(d liveconfig.Document) (*company, error) { return decodeCompany(d, secrets.ResolveTenant, deps) },
	})
	var current sync.Map // by name; a name's swaps come one at a time
	set.Subscribe(func(name string, c *company) {
		if old, ok := current.Swap(name, c); ok {
			old.(*company).close()
		}
	})
	return set
}
