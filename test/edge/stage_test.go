package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/rig"
)

// stage is a whole Parley with two tenants, of which each names itself in all that it says: acme's people, questions and credentials
// say acme, beta's say beta.
type stage struct {
	*testing.T
	rig    *rig.Rig
	sim    *wecom.Sim
	model  *rig.Model
	server *rig.Node
	origin string // of the simulated WeCom
}

// company is a tenant: an application app, a second one app2 with the same token and key, and a page web.
type company struct {
	name     string
	app      wecom.App
	second   wecom.App
	webToken string
}

// The sharpest neighbours: both tenants' applications have one token and one key, so that nothing but receiver and AgentID tells them apart.
const (
	sharedToken = "TokenOfBothTenants"
	sharedKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

func newCompany(name string) company {
	app := wecom.App{Ref: wecom.Ref{CorpID: "ww" + name + "0000000001", AgentID: 1000002}, Secret: "secret-of-" + name, Token: sharedToken, AESKey: sharedKey}
	second := app
	second.AgentID, second.Secret = 1000003, "second-secret-of-"+name
	return company{name: name, app: app, second: second, webToken: "web-token-of-" + name}
}

func (c company) document() string {
	return fmt.Sprintf(`name: %[1]s
state: active
model: chat
history: {turns: 20, ttl: 30m, group: member}
limits: {per_user_per_minute: 600, turns_in_flight: 5000, max_wait: 5m, tokens_per_day: 100000000, user_tokens_per_day: 10000000}
channels:
  - {name: app, kind: wecom, corp_id: %[2]s, agent_id: %[3]d, secret: env:%[5]s_SECRET, token: env:%[5]s_TOKEN, aes_key: env:%[5]s_AES}
  - {name: app2, kind: wecom, corp_id: %[2]s, agent_id: %[4]d, secret: env:%[5]s_SECOND, token: env:%[5]s_TOKEN, aes_key: env:%[5]s_AES}
  - {name: web, kind: web, access: token, tokens: [env:%[5]s_WEB_TOKEN]}
`, c.name, c.app.CorpID, c.app.AgentID, c.second.AgentID, strings.ToUpper(c.name))
}

func (c company) env() []string {
	p := strings.ToUpper(c.name) + "_"
	return []string{p + "SECRET=" + c.app.Secret, p + "SECOND=" + c.second.Secret, p + "TOKEN=" + c.app.Token, p + "AES=" + c.app.AESKey, p + "WEB_TOKEN=" + c.webToken}
}

func newStage(ctx context.Context, t *testing.T, companies ...company) *stage {
	t.Helper()
	rig.Need(t)
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, rig: r, sim: wecom.New(wecom.Options{PerMinute: -1, PerHour: -1})}
	s.origin = s.platform()
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Pace: llm.Pace{Chunks: 4, Between: 5 * time.Millisecond}})
	s.must(err)
	live := filepath.Join(r.Dir, "live")
	s.must(os.Mkdir(live, 0o755))
	s.write(filepath.Join(live, "parley-routes.yaml"), fmt.Sprintf(
		"providers:\n  openai: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\nmodels:\n  chat: [openai/gpt-4o-mini]\n", s.model.BaseURL()))
	for _, c := range companies {
		s.write(filepath.Join(live, "tenant."+c.name+".yaml"), c.document())
	}
	s.server, err = r.StartNode(ctx, "server", "server", []string{"OPENAI_API_KEY=sk-edge"}, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q]\nregistry: {mode: direct}\nlive: {source: file, dir: %q}\n", addr, ops, s.model.Origin, live)
	})
	s.must(err)
	return s
}

// client starts a client service of the companies. redis is the YAML of its key redis.
func (s *stage) client(ctx context.Context, name, redis string, companies ...company) *rig.Node {
	s.Helper()
	var env, names []string
	for _, c := range companies {
		env, names = append(env, c.env()...), append(names, c.name)
	}
	n, err := s.rig.StartNode(ctx, "client", name, env, func(addr, ops string) string {
		return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: %s\ntenants: [%s]\nplatforms: {wecom: %q}\nregistry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\n",
			addr, ops, redis, strings.Join(names, ", "), s.origin, s.server.Addr, filepath.Join(s.rig.Dir, "live"))
	})
	s.must(err)
	return n
}

// entry makes the nodes the companies' callbacks.
func (s *stage) entry(companies []company, nodes ...*rig.Node) {
	s.Helper()
	for _, c := range companies {
		for name, app := range map[string]wecom.App{"app": c.app, "app2": c.second} {
			for _, n := range nodes {
				app.Callbacks = append(app.Callbacks, "http://"+n.Addr+"/callback/"+c.name+"/"+name)
			}
			s.must(s.sim.AddApp(app))
		}
	}
}

func (s *stage) redisYAML() string { return fmt.Sprintf("{addrs: [%q]}", s.rig.Redis.Addr) }

// platform serves the simulated WeCom until the test ends.
func (s *stage) platform() string {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.Context(), "tcp", "127.0.0.1:0")
	s.must(err)
	srv := &http.Server{Handler: s.sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	s.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String()
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) write(file, content string) {
	s.Helper()
	s.must(os.WriteFile(file, []byte(content), 0o600))
}

// tenantStatus is what `parley status --json` tells of a tenant.
type tenantStatus struct {
	Tenant                        string `json:"tenant"`
	Waiting, Running, Ready, Dead int
}

// status asks as an operator does, with a client's own configuration.
func (s *stage) status(ctx context.Context, client string, env []string) []tenantStatus {
	s.Helper()
	out, err := s.rig.Parley(ctx, env, "status", "--json", "--config", filepath.Join(s.rig.Dir, client+".yaml"))
	if err != nil {
		s.Fatalf("parley status --config %s.yaml: %v\n%s", client, err, out)
	}
	var report struct{ Tenants []tenantStatus }
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Tenants) == 0 {
		s.Fatalf("status printed %s (%v)", out, err)
	}
	return report.Tenants
}

// say posts a person's text and waits until the person was shown n messages in all.
func (s *stage) say(ctx context.Context, app wecom.App, user, text string, n int) []wecom.Sent {
	s.Helper()
	_, err := s.sim.Say(ctx, app.Ref, user, text)
	s.must(err)
	shown, err := s.sim.Await(ctx, app.Ref, user, n)
	if err != nil {
		s.Fatalf("%s asked %q and was shown %d of %d: %v", user, text, len(shown), n, err)
	}
	return shown
}

// eventually polls; the time is for a busy machine.
func (s *stage) eventually(ctx context.Context, what string, probe func() string) {
	s.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := probe()
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s: %s", what, missing)
		case <-tick.C:
		}
	}
}
