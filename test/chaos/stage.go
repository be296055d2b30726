package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/realdeps"
	"parley/test/rig"
)

// window is how many turns a history keeps.
const window = 20

// company is a tenant with a WeCom application.
type company struct {
	tenant string
	app    wecom.App
}

func newCompany(tenant string, agent int64) company {
	return company{tenant, wecom.App{
		Ref: wecom.Ref{CorpID: "wwchaos" + tenant, AgentID: agent}, Secret: "secret-of-" + tenant, Token: "TokenOf" + tenant,
		AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
	}}
}

// document lifts the limits that load would meet; they have their own tests.
func (c company) document() string {
	up := strings.ToUpper(c.tenant)
	return fmt.Sprintf(`name: %s
state: active
model: chat
system_prompt: 你是公司的助手。
history: {turns: %d, ttl: 30m, group: member}
limits: {per_user_per_minute: 600, turns_in_flight: 20000, max_wait: 5m, max_input: 8000}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:%s_SECRET, token: env:%s_TOKEN, aes_key: env:%s_AES}
%s`, c.tenant, window, c.app.CorpID, c.app.AgentID, up, up, up, textsOf())
}

func (c company) env() []string {
	up := strings.ToUpper(c.tenant)
	return []string{up + "_SECRET=" + c.app.Secret, up + "_TOKEN=" + c.app.Token, up + "_AES=" + c.app.AESKey}
}

// stage is everything that runs.
type stage struct {
	rig       *rig.Rig
	wires     *wires
	companies []company
	wecom     *rig.WeCom
	models    []*vendor // the second answers where the first is away
	clients   []*player
	servers   []*player
	redis     *victim
	nacos     *victim // nil: another's, which is only cut off
	platform  *victim
	balancers []*rig.Balancer
	pace      llm.Pace
	env       []string // of Parley's processes
	addresses struct {
		wecom  string
		models []string
	}
}

// serves is which client has which tenants: each tenant has two replicas, and one process has both.
var serves = [][]string{{"acme"}, {"acme", "beta"}, {"beta"}}

// raise starts everything. env is added to that of Parley's processes.
func raise(ctx context.Context, r *rig.Rig, pace llm.Pace, env []string) (*stage, error) {
	s := &stage{rig: r, wires: newWires(), companies: []company{newCompany("acme", 1000002), newCompany("beta", 1000003)}, pace: pace, env: env}
	s.redis = daemon("redis", func() *realdeps.Server { return r.Redis }, r.RestartRedis)
	if r.NacosServer != nil {
		s.nacos = daemon("nacos", func() *realdeps.Server { return r.NacosServer }, r.RestartNacos)
	}
	for _, step := range []func(context.Context) error{s.startOutside, s.startServers, s.startClients, s.open} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *stage) startOutside(ctx context.Context) (err error) {
	if s.wecom, err = s.rig.RunWeCom(ctx, 3); err != nil {
		return err
	}
	s.platform = platformOf(s.wecom)
	for _, o := range []rig.ModelOptions{{Name: "llmsim-openai"}, {Name: "llmsim-chatglm", Vendor: llm.ChatGLM}} {
		o.Pace, o.Long = s.pace, 5
		m, err := s.rig.RunModel(ctx, o)
		if err != nil {
			return err
		}
		at, err := s.wires.lay(strings.Replace(o.Name, "sim", "", 1), strings.TrimPrefix(m.Origin, "http://"))
		if err != nil {
			return err
		}
		s.models, s.addresses.models = append(s.models, newVendor(m)), append(s.addresses.models, at)
	}
	if s.addresses.wecom, err = s.wires.lay("wecom", s.wecom.Addr); err != nil {
		return err
	}
	for _, c := range s.companies {
		if err := s.rig.Publish(ctx, "tenant."+c.tenant, c.document()); err != nil {
			return err
		}
	}
	return s.rig.Publish(ctx, "parley-routes", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: "http://%s%s", key: env:OPENAI_API_KEY, http2: prior-knowledge}
  chatglm: {dialect: chatglm, base_url: "http://%s%s", key: env:ZHIPU_API_KEY, http2: prior-knowledge}
models:
  chat: [openai/gpt-4o-mini, chatglm/glm-4.6]
deadlines: {connect: 3s, first_token: 10s, idle: 8s, turn: 60s}
`, s.addresses.models[0], llm.OpenAI.Path(), s.addresses.models[1], llm.ChatGLM.Path()))
}

// live is how a node finds Nacos, over a wire of its own.
func (s *stage) live(name string) (string, error) {
	at, err := s.wires.layNacos("nacos-"+name, s.rig.Nacos.Addr)
	return fmt.Sprintf("registry: {mode: nacos, nacos: {addrs: [%q], namespace: %q}}\nlive:     {source: nacos}\n", at, s.rig.Nacos.Namespace), err
}

func (s *stage) startServers(ctx context.Context) error {
	for i := range 3 {
		name := fmt.Sprintf("server-%d", i+1)
		live, err := s.live(name)
		if err != nil {
			return err
		}
		var laid error
		n, err := s.rig.StartNode(ctx, "server", name, append(s.env, "OPENAI_API_KEY=sk-chaos", "ZHIPU_API_KEY=id.secret"), func(addr, ops string) string {
			var at string
			at, laid = s.wires.lay("triple-"+name, addr)
			return fmt.Sprintf("rpc:      {listen: %q, advertise: %q}\nhttp:     {ops: %q}\noutbound: [\"http://%s\"]\n",
				addr, at, ops, strings.Join(s.addresses.models, `", "http://`)) + live
		})
		if err != nil || laid != nil {
			return fmt.Errorf("%w%w", err, laid)
		}
		s.servers = append(s.servers, newPlayer(n))
	}
	return nil
}

func (s *stage) startClients(ctx context.Context) error {
	env := append([]string{}, s.env...)
	for _, c := range s.companies {
		env = append(env, c.env()...)
	}
	for i, tenants := range serves {
		name := fmt.Sprintf("client-%d", i+1)
		live, err := s.live(name)
		if err != nil {
			return err
		}
		redis, err := s.wires.lay("redis-"+name, s.rig.Redis.Addr)
		if err != nil {
			return err
		}
		n, err := s.rig.StartNode(ctx, "client", name, env, func(addr, ops string) string {
			return fmt.Sprintf("http:     {listen: %q, ops: %q}\nredis:    {addrs: [%q]}\ntenants:  [%s]\nplatforms: {wecom: \"http://%s\"}\n",
				addr, ops, redis, strings.Join(tenants, ", "), s.addresses.wecom) + live
		})
		if err != nil {
			return err
		}
		s.clients = append(s.clients, newPlayer(n))
	}
	return nil
}

// open puts a balancer before each tenant's replicas and tells the platform.
func (s *stage) open(ctx context.Context) error {
	for i := range s.companies {
		c := &s.companies[i]
		var replicas []string
		for j, tenants := range serves {
			for _, t := range tenants {
				if t == c.tenant {
					replicas = append(replicas, s.clients[j].now().Addr)
				}
			}
		}
		b, err := rig.NewBalancer(replicas...)
		if err != nil {
			return err
		}
		s.balancers = append(s.balancers, b)
		c.app.Callbacks = []string{"http://" + b.Addr + "/callback/" + c.tenant + "/app"}
		if err := s.wecom.AddApp(ctx, c.app); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) close() {
	for _, b := range s.balancers {
		b.Close()
	}
	s.wires.close()
}

// nodes is all Parley processes.
func (s *stage) nodes() []*player { return append(append([]*player{}, s.clients...), s.servers...) }

// lanes is what is struck, how and how often. Names picked by the plan leave the rest alone.
func (s *stage) lanes(only func(string) bool) []lane {
	victims := func(players []*player) (list []*victim) {
		for _, p := range players {
			list = append(list, &p.victim)
		}
		return list
	}
	all := []lane{
		{name: "clients", victims: victims(s.clients), acts: []string{"kill", "kill", "freeze", "stop", "stop", "term"},
			min: time.Second, max: 5 * time.Second, longest: 12 * time.Second},
		{name: "servers", victims: victims(s.servers), acts: []string{"kill", "kill", "freeze", "stop", "term"},
			min: 2 * time.Second, max: 7 * time.Second, longest: 12 * time.Second},
		{name: "redis", victims: []*victim{s.redis}, acts: []string{"kill", "kill", "freeze", "stop"},
			min: 5 * time.Second, max: 15 * time.Second, longest: 6 * time.Second},
		{name: "wecom", victims: []*victim{s.platform}, acts: []string{"stop"},
			min: 10 * time.Second, max: 25 * time.Second, longest: 4 * time.Second},
		{name: "llm", victims: []*victim{&s.models[0].victim, &s.models[1].victim}, acts: []string{"stop", "kill"},
			min: 10 * time.Second, max: 25 * time.Second, longest: 4 * time.Second},
		{name: "wires", wires: s.wires.list(), acts: []string{"cut", "cut", "hole", "reset", "slow", "slow", "drip"},
			min: time.Second, max: 4 * time.Second, longest: 8 * time.Second},
	}
	if s.nacos != nil {
		all = append(all, lane{name: "nacos", victims: []*victim{s.nacos}, acts: []string{"kill", "stop"},
			first: 10 * time.Second, min: 15 * time.Second, max: 40 * time.Second, longest: 12 * time.Second})
	}
	all = append(all, lane{name: "wecom", victims: []*victim{s.platform}, acts: []string{"distrust"},
		first: 5 * time.Second, min: 10 * time.Second, max: 30 * time.Second, longest: 15 * time.Second})
	var picked []lane
	for _, l := range all {
		if only(l.name) {
			picked = append(picked, l)
		}
	}
	return picked
}
