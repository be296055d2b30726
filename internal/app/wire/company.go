package wire

import (
	"io"
	"strings"

	"parley/internal/channel"
	"parley/internal/channel/all"
	"parley/internal/channel/openai"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/liveconfig"
	"parley/internal/tenant"
)

// Company is one tenant's document as decoded, with its channels.
type Company struct {
	Tenant   *chat.Tenant
	Channels map[string]channel.Channel
}

// DecodeCompany makes a tenant and its channels of a document, or says everything that is wrong with it. Close the company when it is used no more.
func DecodeCompany(d liveconfig.Document, resolve func(tenant, ref string) (chat.Secret, error), deps channel.Deps) (*Company, error) {
	doc := tenant.Decode(d.Content, tenant.Options{
		File: d.Name, Name: strings.TrimPrefix(d.Name, TenantPrefix), Revision: d.Revision,
		Resolve: resolve, Kinds: all.Kinds(), Texts: conversation.TextNames(),
	})
	c := &Company{Tenant: doc.Tenant, Channels: map[string]channel.Channel{}}
	for _, ch := range doc.Channels {
		made, err := all.New(ch.Kind, ch.Settings, deps)
		if err != nil {
			ch.Settings.Broken(err)
			continue
		}
		c.Channels[ch.Name] = made
	}
	if err := openai.Clash(c.Channels); err != nil {
		doc.Clash(err)
	}
	if err := doc.Err(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends what channels keep open: streams to browsers.
func (c *Company) Close() {
	for _, ch := range c.Channels {
		if cl, ok := ch.(io.Closer); ok {
			_ = cl.Close()
		}
	}
}
