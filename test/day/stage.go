package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"parley/internal/sim/llm"
	"parley/test/alarms"
	"parley/test/crowd"
	"parley/test/rig"
)

// window is how many turns a history keeps.
const window = 20

// answerPace is how fast the simulated models answer.
type answerPace struct{ llm.Pace }

// pace makes an answer last about a second, so that turns are in flight whatever the operator does.
var pace = answerPace{llm.Pace{First: 300 * time.Millisecond, Between: 50 * time.Millisecond, Chunks: 15}}

func (p answerPace) length() time.Duration { return p.First + time.Duration(p.Chunks)*p.Between }

// stage is everything that runs.
type stage struct {
	plan     plan
	rig      *rig.Rig
	people   *crowd.Crowd
	company  rig.Company
	vendor   *rig.Model // OpenAI's API, which everybody uses
	other    *rig.Model // ChatGLM's, which the operator switches to
	balancer *rig.Balancer
	keys     int // provider keys so far; the newest is the one in use
	console  *rig.Node
	password string // of the console's operator
	driven   bool   // the browser's driver is there
	alarms   *alarms.Prometheus

	mu      sync.Mutex
	clients []*rig.Node
	servers []*rig.Node
}

// raise starts two clients behind one entry, and two servers.
func raise(ctx context.Context, r *rig.Rig, p plan, people *crowd.Crowd) (*stage, error) {
	s := &stage{plan: p, rig: r, people: people}
	for _, step := range []func(context.Context) error{s.startOutside, s.publishTenant, s.publishRoutes, s.addServer, s.addServer, s.startClients, s.startConsole, s.startAlarms} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *stage) close() {
	if s.balancer != nil {
		s.balancer.Close()
	}
	if s.alarms != nil {
		s.alarms.Stop()
	}
}

func (s *stage) startOutside(ctx context.Context) (err error) {
	if s.company, err = s.rig.NewCompany(ctx, s.people.Shown, 0); err != nil {
		return err
	}
	if err = s.newCallbackSecrets(); err != nil {
		return err
	}
	if err = s.secret("acme", "wecom-secret", s.company.App.Secret); err != nil {
		return err
	}
	if err = s.secret("_routes", "zhipu-key", zhipuKey); err != nil {
		return err
	}
	if s.vendor, err = s.rig.RunModel(ctx, rig.ModelOptions{Name: "llmsim-openai", Pace: pace.Pace}); err != nil {
		return err
	}
	s.other, err = s.rig.RunModel(ctx, rig.ModelOptions{Name: "llmsim-chatglm", Vendor: llm.ChatGLM, Pace: pace.Pace})
	return err
}

// zhipuKey has the form that ChatGLM's keys have.
const zhipuKey = "day.0123456789abcdef"

// secret writes a secret where references of a scope are read: a tenant's, or the routes'.
func (s *stage) secret(scope, name, value string) error {
	dir := filepath.Join(s.rig.Dir, "secrets", scope)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600)
}

// publishTenant publishes the company's document with its callback secrets as references: the platform's, and those named besides.
func (s *stage) publishTenant(ctx context.Context) error {
	return s.tenantWith(ctx, "[file:wecom-token]", "[file:wecom-aes]")
}

func (s *stage) tenantWith(ctx context.Context, token, aes string) error {
	return s.rig.Publish(ctx, "tenant."+s.company.Tenant, fmt.Sprintf(`name: %s
state: active
model: chat
system_prompt: 你是公司的助手。
history: {turns: %d, ttl: 30m, group: member}
limits: {per_user_per_minute: 600, turns_in_flight: 20000, max_wait: 5m, max_input: 8000}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: file:wecom-secret, token: %s, aes_key: %s}
`, s.company.Tenant, window, s.company.App.CorpID, s.company.App.AgentID, token, aes))
}

func (s *stage) publishRoutes(ctx context.Context) error {
	if err := s.newProviderKey(); err != nil {
		return err
	}
	return s.routesWith(ctx, fmt.Sprintf("file:openai-key-%d", s.keys))
}

func (s *stage) routesWith(ctx context.Context, keys string) error {
	return s.rig.Publish(ctx, "parley-routes", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: %s, key: %s, http2: prior-knowledge}
  chatglm: {dialect: chatglm, base_url: %s, key: file:zhipu-key, concurrency: 1000, http2: prior-knowledge}
models:
  chat: [openai/gpt-4o-mini, chatglm/glm-4.6]
`, s.vendor.BaseURL(), keys, s.other.BaseURL()))
}

// addServer starts one more server and returns once it is registered.
func (s *stage) addServer(ctx context.Context) error {
	n, err := s.rig.StartNode(ctx, "server", fmt.Sprintf("server-%d", len(s.servers)+1), nil, func(addr, ops string) string {
		return fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\noutbound: [%q, %q]\nsecrets: {dir: %q}\n",
			addr, ops, s.vendor.Origin, s.other.Origin, filepath.Join(s.rig.Dir, "secrets")) + s.rig.Live()
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = append(s.servers, n)
	return nil
}

// clientConfig is also what the operator's commands are given.
func (s *stage) clientConfig(addr, ops string) string {
	return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\ntenants: [%s]\nplatforms: {wecom: %q}\nsecrets: {dir: %q}\nshutdown: {linger: 1s, grace: 2s}\n",
		addr, ops, s.rig.Redis.Addr, s.company.Tenant, s.company.Platform, filepath.Join(s.rig.Dir, "secrets")) + s.rig.Live()
}

func (s *stage) startClients(ctx context.Context) error {
	var entries []string
	for i := range 2 {
		n, err := s.rig.StartNode(ctx, "client", fmt.Sprintf("client-%d", i+1), nil, s.clientConfig)
		if err != nil {
			return err
		}
		s.clients = append(s.clients, n)
		entries = append(entries, n.Addr)
	}
	var err error
	if s.balancer, err = rig.NewBalancer(entries...); err != nil {
		return err
	}
	return s.company.Entry(s.balancer.Addr)
}

func (s *stage) nodes() []*rig.Node {
	return append(append(append([]*rig.Node{}, s.clients...), s.servers...), s.console)
}
