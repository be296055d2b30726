package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/dev"
	"parley/internal/config"
	"parley/internal/sim/wecom"
	"parley/internal/telemetry"
)

// DevOptions are the flags of `parley dev`.
type DevOptions struct {
	HTTP   string // address of the page
	Config string // a client.yaml whose tenants, live documents and platforms replace the embedded ones; empty: none
}

// The embedded tenant and its WeCom application, which exists in the simulator only.
const (
	devTenant  = "demo"
	devCorpID  = "wwdemo0000000000"
	devAgentID = 1000002
)

// devSecrets are the embedded tenant's. They open nothing outside this process.
var devSecrets = map[string]string{ //nolint:gochecknoglobals // never written
	"DEMO_WECOM_SECRET": "demo-secret-of-the-simulated-platform",
	"DEMO_WECOM_TOKEN":  "demotoken",
	"DEMO_WECOM_AES":    "ZGVtb2RlbW9kZW1vZGVtb2RlbW9kZW1vZGVtb2RlbW8",
}

// RunDev is `parley dev`: Redis, a server, a client service, the simulated WeCom and a page with a chat, all in this process.
func RunDev(ctx context.Context, env Env, o DevOptions) error {
	d := &devRun{env: env, opt: o, tel: telemetry.New(env.Stderr, true, slog.LevelWarn)}
	defer d.cleanup()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

// devRun is one run of `parley dev`.
type devRun struct {
	env    Env
	opt    DevOptions
	tel    *telemetry.Telemetry
	redis  *miniredis.Miniredis
	dir    string
	phone  *wecom.Sim
	pages  *dev.Page
	page   net.Listener
	wecom  net.Listener
	client *client
	server *server
}

func (d *devRun) cleanup() {
	if d.redis != nil {
		d.redis.Close()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

// env looks a variable up; the embedded tenant's secrets are there besides the process's own.
func (d *devRun) lookup(name string) (string, bool) {
	if v, ok := devSecrets[name]; ok {
		return v, true
	}
	return os.LookupEnv(name)
}

func (d *devRun) prepare(ctx context.Context) (err error) {
	if d.page, err = listen(ctx, d.opt.HTTP, "--http"); err != nil {
		return err
	}
	if d.wecom, err = listen(ctx, "127.0.0.1:0", "the simulated WeCom"); err != nil {
		return err
	}
	if d.redis, err = miniredis.Run(); err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	if d.dir, err = os.MkdirTemp("", "parley-dev-"); err != nil {
		return err
	}
	secrets := secretsOf(d.lookup)
	clientCfg, err := d.clientConfig(secrets)
	if err != nil {
		return err
	}
	serverCfg := config.DefaultServer()
	serverCfg.RPC.Listen = "127.0.0.1:0"
	serverCfg.Registry.Mode = config.ModeDirect
	serverCfg.Live = clientCfg.Live
	serverCfg.Secrets = clientCfg.Secrets
	if base := os.Getenv("OPENAI_BASE_URL"); base != "" {
		serverCfg.Outbound = append(serverCfg.Outbound, originOf(base))
	}
	if d.server, err = newServer(serverCfg, d.env, telemetry.New(d.env.Stderr, true, slog.LevelWarn), secrets.at(serverCfg.Secrets.Dir)); err != nil {
		return err
	}
	clientCfg.Registry.Mode, clientCfg.Registry.Direct = config.ModeDirect, []string{d.server.rpc.Addr()}
	if d.client, err = newClient(clientCfg, d.env, d.tel, secrets.at(clientCfg.Secrets.Dir)); err != nil {
		return err
	}
	d.client.embedded = true
	return nil
}

func (d *devRun) clientConfig(secrets *secretStores) (*config.Client, error) {
	cfg := config.DefaultClient()
	if d.opt.Config != "" {
		var err error
		if cfg, err = config.LoadClient(d.opt.Config, config.Options{Secrets: secrets.static}); err != nil {
			return nil, err
		}
	} else {
		if err := d.writeDocuments(); err != nil {
			return nil, err
		}
		cfg.Live = config.Live{Source: config.SourceFile, Dir: d.dir}
		cfg.Secrets.Dir = filepath.Join(d.dir, "secrets")
		cfg.Platforms.WeCom = "http://" + d.wecom.Addr().String()
		cfg.Tenants = []string{devTenant}
	}
	cfg.HTTP.Listen = d.page.Addr().String()
	cfg.Redis = config.Redis{Addrs: []string{d.redis.Addr()}}
	return cfg, nil
}

// writeDocuments writes the embedded tenant's documents: the real ChatGPT API if there is a key for it, else answers without any model.
func (d *devRun) writeDocuments() error {
	routes := `providers:
  simulated: {dialect: simulated}
models:
  chat: [simulated/parley]
`
	if os.Getenv("OPENAI_API_KEY") != "" {
		base := os.Getenv("OPENAI_BASE_URL")
		if base == "" {
			base = "https://api.openai.com/v1"
		}
		routes = fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: %q, key: env:OPENAI_API_KEY}
  simulated: {dialect: simulated}
models:
  chat: [%q, simulated/parley]
`, strings.TrimRight(base, "/"), "openai/"+openAIModel())
	}
	if !config.Loopback(d.page.Addr().String()) {
		return errors.New("--http: parley dev has no login, so it listens on a loopback address only: use 127.0.0.1")
	}
	tenant := fmt.Sprintf(`name: %s
system_prompt: 你是一个乐于助人的助手。
limits: {per_user_per_minute: 120}
channels:
  - {name: web, kind: web, access: open, title: Parley, embed: self}
  - {name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:DEMO_WECOM_SECRET, token: env:DEMO_WECOM_TOKEN, aes_key: env:DEMO_WECOM_AES}
`, devTenant, devCorpID, devAgentID)
	for name, content := range map[string]string{routesDocument: routes, tenantPrefix + devTenant: tenant} {
		if err := os.WriteFile(filepath.Join(d.dir, name+".yaml"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func originOf(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// run serves until ctx ends.
func (d *devRun) run(ctx context.Context) error {
	if err := d.connectPhone(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serverOps, err := listen(ctx, "127.0.0.1:0", "the server's ops address")
	if err != nil {
		return err
	}
	clientOps, err := listen(ctx, "127.0.0.1:0", "the client's ops address")
	if err != nil {
		return err
	}
	d.client.handler = d.handler(d.client.front)
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	part := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- err
			}
			cancel()
		})
	}
	wg.Go(func() { <-ctx.Done(); _ = d.pages.Close() })
	// The server and the simulator outlive the client, so that turns can end.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	wg.Go(func() { d.clock(base) })
	part(func() error { return serveHTTP(base, d.wecom, d.phone.Handler(), time.Second) })
	part(func() error { return d.server.run(base, serverOps) })
	part(func() error { defer stop(); return d.client.run(ctx, d.page, clientOps) })
	if d.ready(ctx) {
		d.announce(clientOps, serverOps)
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// ready waits until a person can chat.
func (d *devRun) ready(ctx context.Context) bool {
	for _, part := range []<-chan struct{}{d.server.loaded, d.client.loaded, d.client.redisUp, d.server.rpc.Ready()} {
		select {
		case <-part:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// clock moves miniredis's clock: it does not move by itself, and leases and TTLs live by it.
func (d *devRun) clock(ctx context.Context) {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			d.redis.FastForward(now.Sub(last))
			last = now
		}
	}
}

// connectPhone makes the page and the simulated platform behind its phone.
func (d *devRun) connectPhone() error {
	d.pages = dev.New(dev.Options{
		ChatURL: "/chat/" + devTenant + "/web", Model: d.model(), Simulated: os.Getenv("OPENAI_API_KEY") == "",
	})
	ref := wecom.Ref{CorpID: devCorpID, AgentID: devAgentID}
	d.phone = wecom.New(wecom.Options{OnShown: d.pages.ShownByWeCom})
	d.pages.Connect(dev.WeComPhone(d.phone, ref))
	return d.phone.AddApp(wecom.App{
		Ref: ref, Secret: devSecrets["DEMO_WECOM_SECRET"], Token: devSecrets["DEMO_WECOM_TOKEN"], AESKey: devSecrets["DEMO_WECOM_AES"],
		Callbacks: []string{"http://" + d.page.Addr().String() + "/callback/" + devTenant + "/app"},
	})
}

// handler puts the dev page before the client service's own paths.
func (d *devRun) handler(front http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.pages)
	mux.Handle("/callback/", front)
	mux.Handle("/chat/", front)
	return mux
}

func (d *devRun) model() string {
	switch {
	case d.opt.Config != "":
		return "the live documents of " + d.opt.Config
	case os.Getenv("OPENAI_API_KEY") != "":
		return openAIModel()
	default:
		return "simulated"
	}
}

func openAIModel() string {
	if m := os.Getenv("OPENAI_MODEL"); m != "" {
		return m
	}
	return "gpt-4o-mini"
}

func (d *devRun) announce(clientOps, serverOps net.Listener) {
	model := d.model()
	if model == "simulated" {
		model = "simulated: answers without a model (set OPENAI_API_KEY for real ones)"
	}
	fmt.Fprintf(d.env.Stdout, `Parley is running. Chat here:

    http://%s/

  model     %s
  metrics   http://%s/metrics (client)  http://%s/metrics (server)
  memory    embedded Redis: conversations end with this process
  stop      Ctrl-C

`, d.page.Addr(), model, clientOps.Addr(), serverOps.Addr())
}
