// Package app is the channel of a WeCom application that a company built itself (自建应用), kind "wecom": sealed XML callbacks in,
// message/send out. It shows no partial text: the platform has no way to change a text that was sent.
package app

import (
	"context"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// Kind is the word under `kind:`.
const Kind = "wecom"

// App is one application of one tenant. It is safe for concurrent use.
type App struct {
	tenant, name string
	agent        int64
	envelope     *wecom.Envelope
	client       *wecom.Client
}

var (
	_ channel.Channel  = (*App)(nil)
	_ channel.Callback = (*App)(nil)
	_ channel.Fetcher  = (*App)(nil)
	_ channel.Checker  = (*App)(nil)
)

// New reads corp_id, agent_id, secret, token and aes_key (the last two: one or a list). It calls nobody; wrong credentials show when the
// first message comes or goes.
func New(s channel.Settings, d channel.Deps) (*App, error) {
	corp, agent, secret := s.String("corp_id"), s.Int("agent_id"), s.Secret("secret")
	tokens, keys := s.Secrets("token"), s.Secrets("aes_key")
	if agent < 0 {
		s.Faultf("agent_id", "is %d; must be the AgentId of the application's page, a positive number", agent)
	}
	envelope, err := wecom.NewEnvelope(corp, tokens, keys)
	if err != nil {
		return nil, err
	}
	account := wecom.Account{Tenant: s.Tenant(), CorpID: corp, Agent: strconv.FormatInt(agent, 10), Secret: secret}
	return &App{tenant: s.Tenant(), name: s.Name(), agent: agent, envelope: envelope, client: wecom.NewClient(account, d)}, nil
}

// Kind implements channel.Channel.
func (a *App) Kind() string { return Kind }

// Fetch implements channel.Fetcher.
func (a *App) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	return a.client.Pictures(ctx, m.Images)
}

// Live implements channel.Channel: no partial text.
func (a *App) Live() time.Duration { return 0 }

// Pace implements channel.Channel. WeCom drops what is over 30 messages a minute or 1000 an hour to one member, silently (document 90236). At
// this pace a minute sees 12 + 15 + 1 at most, an hour 913. What is left is for requests that a dead replica had sent and that arrive late.
func (a *App) Pace() chat.Pace { return chat.Pace{Burst: 12, Every: 4 * time.Second} }
