package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"parley/internal/sim/wecom"
)

// Company is a tenant with a WeCom application, a web page and an API, and the simulated platform that it is on.
type Company struct {
	Tenant   string
	Window   int // turns that its history keeps
	App      wecom.App
	WebToken string
	APIKey   string // of its OpenAI-compatible API
	Platform string // the origin of the simulated WeCom
	Sim      *wecom.Sim
}

// NewCompany starts a simulated WeCom in this process, whose people are driven from here, and publishes the tenant's document. shown is
// called for every text that a person sees; it must not block. perMinute is WeCom's limit of messages a member gets of one application;
// 0 is the true one.
func (r *Rig) NewCompany(ctx context.Context, shown func(wecom.Sent), perMinute int) (Company, error) {
	c := Company{
		Tenant: "acme", Window: 20, WebToken: "web-token-of-the-rig", APIKey: "sk-acme-key-of-the-rig-0123456789",
		App: wecom.App{
			Ref: wecom.Ref{CorpID: "wwrig0000000000001", AgentID: 1000002}, Secret: "secret-of-the-rig", Token: "TokenOfTheRig",
			AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
		},
		Sim: wecom.New(wecom.Options{OnShown: shown, PerMinute: perMinute}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return c, err
	}
	srv := &http.Server{Handler: c.Sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	r.atEnd(func() { _ = srv.Close() })
	c.Platform = "http://" + l.Addr().String()
	return c, r.Publish(ctx, "tenant."+c.Tenant, c.document())
}

// Entry makes addresses (host:port of client services, or of a balancer before them) the application's callbacks.
func (c *Company) Entry(addresses ...string) error {
	c.App.Callbacks = nil
	for _, a := range addresses {
		c.App.Callbacks = append(c.App.Callbacks, "http://"+a+"/callback/"+c.Tenant+"/app")
	}
	return c.Sim.AddApp(c.App)
}

// document lifts the limits that load would meet; they have their own tests.
func (c *Company) document() string {
	return fmt.Sprintf(`name: %s
state: active
model: chat
system_prompt: 你是公司的助手。
history: {turns: %d, ttl: 30m, group: member}
limits: {per_user_per_minute: 600, turns_in_flight: 1000000, max_wait: 5m, max_input: 8000}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:ACME_SECRET, token: env:ACME_TOKEN, aes_key: env:ACME_AES}
  - {name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN]}
  - {name: api, kind: openai, keys: [env:ACME_API_KEY], per_minute: 0}
`, c.Tenant, c.Window, c.App.CorpID, c.App.AgentID)
}

// Env is what the document refers to: variables of a client service that serves the company.
func (c *Company) Env() []string {
	prefix := strings.ToUpper(c.Tenant) + "_"
	return []string{
		prefix + "SECRET=" + c.App.Secret, prefix + "TOKEN=" + c.App.Token, prefix + "AES=" + c.App.AESKey, prefix + "WEB_TOKEN=" + c.WebToken,
		prefix + "API_KEY=" + c.APIKey,
	}
}
