package wire

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"parley/internal/channel"
	"parley/internal/channel/all"
	"parley/internal/channel/openai"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/liveconfig"
	"parley/internal/moderation"
	"parley/internal/tenant"
)

// Company is one tenant's document as decoded, with its channels.
type Company struct {
	Tenant   *chat.Tenant
	Channels map[string]channel.Channel
	Rules    *moderation.Rules // nil: nothing is judged
}

// DecodeCompany makes a tenant and its channels of a document, or says everything that is wrong with it. Close the company when it is used no more.
func DecodeCompany(d liveconfig.Document, resolve func(tenant, ref string) (chat.Secret, error), deps channel.Deps) (*Company, error) {
	doc := tenant.Decode(d.Content, tenant.Options{
		File: d.Name, Name: strings.TrimPrefix(d.Name, TenantPrefix), Revision: d.Revision,
		Resolve: resolve, Kinds: all.Kinds(), Texts: conversation.TextNames(), Blank: moderation.Blank, Origin: hooksOf(deps),
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
	c.Rules = moderation.New(c.Tenant.Moderation, deps.HTTP)
	if err := openai.Clash(c.Channels); err != nil {
		doc.Clash(err)
	}
	if err := doc.Err(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// hooksOf judges the origin of a moderation hook by what client.yaml allows, which a document that is only checked may not know.
func hooksOf(deps channel.Deps) func(string) error {
	if deps.Checking {
		return nil
	}
	return func(origin string) error { return HookAllowed(origin, deps.Origins.Hooks) }
}

// HookAllowed says why a moderation hook may not be called at an origin.
func HookAllowed(origin string, allowed []string) error {
	if slices.Contains(allowed, origin) {
		return nil
	}
	return fmt.Errorf("is at %s, which client.yaml does not allow; an operator adds it there, as in moderation: [%s]", origin, origin)
}

// Close ends what channels keep open: streams to browsers.
func (c *Company) Close() {
	for _, ch := range c.Channels {
		if cl, ok := ch.(io.Closer); ok {
			_ = cl.Close()
		}
	}
}
