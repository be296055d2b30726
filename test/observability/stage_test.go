package observability

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/alarms"
	"parley/test/rig"
)

// stage is a whole Parley under TLS with two tenants, whose every outside party can be made to fail, and the Prometheus that watches it.
type stage struct {
	*testing.T
	ctx     context.Context
	rig     *rig.Rig
	company rig.Company
	second  wecom.App // the tenant's other application
	model   *rig.Model
	certs   *authority
	clock   *clock
	traces  *collector
	client  *rig.Node
	server  *rig.Node
	prom    *prometheus
}

const year = 365 * 24 * time.Hour

func newStage(ctx context.Context, t *testing.T, p alarms.Pace) *stage {
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
	s := &stage{T: t, ctx: ctx, rig: r, certs: newAuthority(t), traces: newCollector(t)}
	s.ballast()
	s.clock = newClock(t, r.Redis.Addr)
	s.certs.issue("client", year)
	s.certs.issue("server", year)
	s.company, err = r.NewCompany(ctx, nil, 0)
	s.must(err)
	s.second = s.company.App
	s.second.AgentID++
	s.second.Secret = "secret-of-the-second"
	s.model, err = r.RunModel(ctx, rig.ModelOptions{Vendor: llm.OpenAI, Pace: llm.Pace{Chunks: 2}})
	s.must(err)
	s.routes("")
	s.must(r.Publish(ctx, "parley-degradation", "switches: []\n"))
	s.acme(true)
	s.beta("chat", "")
	s.startServer()
	s.startClient()
	s.must(s.company.Entry(s.client.Addr))
	s.second.Callbacks = []string{"http://" + s.client.Addr + "/callback/acme/second"}
	s.must(s.company.Sim.AddApp(s.second))
	s.prom = startPrometheus(ctx, t, p, map[string][]string{"client": {s.client.Ops}, "server": {s.server.Ops}, "console": {}})
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) startServer() {
	var err error
	s.server, err = s.rig.StartNode(s.ctx, "server", "server", append(s.traces.env(), "OPENAI_API_KEY=sk-rig"), func(addr, ops string) string {
		return fmt.Sprintf("rpc:      {listen: %q, %s}\nhttp:     {ops: %q}\noutbound: [%q]\n", addr, s.certs.config("server"), ops, s.model.Origin) + s.rig.Live()
	})
	s.must(err)
}

func (s *stage) startClient() {
	var err error
	env := append(append(s.company.Env(), s.traces.env()...), "ACME_SECOND_SECRET="+s.second.Secret, "BETA_SECRET=x", "BETA_BOT_SECRET=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "ACME_OWN_KEY=sk-own")
	s.client, err = s.rig.StartNode(s.ctx, "client", "client", env, func(addr, ops string) string {
		return fmt.Sprintf(`http:     {listen: %q, ops: %q}
redis:    {addrs: [%q]}
tenants:  [acme, beta]
rpc:      {%s}
platforms: {wecom: %q, dingtalk: "http://127.0.0.1:1", feishu: "http://127.0.0.1:1", wecom_bot: "ws://127.0.0.1:1"}
`, addr, ops, s.clock.addr, s.certs.config("client"), s.company.Platform) + s.rig.Live()
	})
	s.must(err)
}

// routes publishes parley-routes: a class of models for each way in which a provider fails. more is added to it.
func (s *stage) routes(more string) {
	s.Helper()
	doc := "providers:\n"
	for _, name := range []string{"openai", "broken", "poor", "refused", "own"} {
		doc += fmt.Sprintf("  %s: {dialect: openai, base_url: %s, key: env:OPENAI_API_KEY, http2: prior-knowledge}\n", name, s.model.BaseURL())
	}
	s.must(s.rig.Publish(s.ctx, "parley-routes", doc+`models:
  chat: [openai/gpt-4o-mini]
  broken: [broken/gpt-4o-broken, openai/gpt-4o-mini]
  poor: [poor/gpt-4o-poor, openai/gpt-4o-mini]
  refused: [refused/gpt-4o-refused, openai/gpt-4o-mini]
  own: [own/gpt-4o-own, openai/gpt-4o-mini]
  failing: [broken/gpt-4o-broken]
`+more))
}

// acme publishes its document, with its second application or without.
func (s *stage) acme(second bool) {
	s.Helper()
	a := s.company.App
	doc := fmt.Sprintf(`name: acme
state: active
model: chat
limits: {per_user_per_minute: 600, turns_in_flight: 1000, max_wait: 5m, max_input: 8000}
keys: {own: env:ACME_OWN_KEY}
channels:
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:ACME_SECRET, token: env:ACME_TOKEN, aes_key: env:ACME_AES}
  - {name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN]}
  - {name: api, kind: openai, keys: [env:ACME_API_KEY], per_minute: 0}
`, a.CorpID, a.AgentID)
	if second {
		doc += fmt.Sprintf("  - {name: second, kind: wecom, corp_id: %s, agent_id: %d, secret: env:ACME_SECOND_SECRET, token: env:ACME_TOKEN, aes_key: env:ACME_AES}\n", a.CorpID, s.second.AgentID)
	}
	s.must(s.rig.Publish(s.ctx, "tenant.acme", doc))
}

// beta publishes the document of a tenant without people, with channels that hold connections if asked to.
func (s *stage) beta(model, channels string) {
	s.Helper()
	if channels == "" {
		channels = "channels: []\n"
	}
	s.must(s.rig.Publish(s.ctx, "tenant.beta", "name: beta\nstate: active\nmodel: "+model+"\n"+channels))
}

// connections are of channels whose platforms are not there.
const connections = `channels:
  - {name: ding, kind: dingtalk, mode: stream, app_key: dingx, app_secret: env:BETA_SECRET, robot_code: dingx}
  - {name: lark, kind: feishu, mode: stream, app_id: cli_x, app_secret: env:BETA_SECRET}
  - {name: bot, kind: wecombot, mode: stream, bot_id: x, secret: env:BETA_BOT_SECRET}
`

// ballast is so much that the rest hardly moves the figure of Redis's memory.
func (s *stage) ballast() {
	s.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.rig.Redis.Addr})
	defer rdb.Close()
	for i := range 128 { // no large buffer on the way, which would count for a while
		s.must(rdb.Set(s.ctx, fmt.Sprint("ballast", i), make([]byte, 512<<10), 0).Err())
	}
}

// memory sets Redis's maxmemory so that it is that full; 0: no maxmemory.
func (s *stage) memory(full float64) {
	s.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.rig.Redis.Addr})
	defer rdb.Close()
	most := 0.0
	if full > 0 {
		info, err := rdb.InfoMap(s.ctx, "memory").Result()
		s.must(err)
		used, err := strconv.ParseFloat(info["Memory"]["used_memory"], 64)
		s.must(err)
		most = used / full
	}
	s.must(rdb.ConfigSet(s.ctx, "maxmemory", fmt.Sprintf("%.0f", most)).Err())
}

// operate runs a command of an operator's.
func (s *stage) operate(args ...string) {
	s.Helper()
	out, err := s.rig.Parley(s.ctx, s.company.Env(), append(args, "--config", filepath.Join(s.rig.Dir, "client.yaml"))...)
	if err != nil {
		s.Errorf("parley %v: %v\n%s", args, err, out)
	}
}
