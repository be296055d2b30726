package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/console"
	"parley/internal/app/dev"
	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/config"
	"parley/internal/telemetry"
)

// DevOptions are the flags of `parley dev`.
type DevOptions struct {
	HTTP   string // address of the page
	Config string // a client.yaml whose tenants, live documents and platforms replace the embedded ones; empty: none
}

// devTenant is the embedded tenant.
const devTenant = "demo"

// devSecrets are the embedded tenant's and the simulated vendors'. They open nothing outside this process.
var devSecrets = map[string]string{ //nolint:gochecknoglobals // never written
	"DEMO_WECOM_SECRET":    "demo-secret-of-the-simulated-platform",
	"DEMO_WECOM_TOKEN":     "demotoken",
	"DEMO_WECOM_AES":       "ZGVtb2RlbW9kZW1vZGVtb2RlbW9kZW1vZGVtb2RlbW8",
	"DEMO_BOT_TOKEN":       "demobottoken",
	"DEMO_BOT_AES":         "YWlib3RhaWJvdGFpYm90YWlib3RhaWJvdGFpYm90YWk",
	"DEMO_KF_SECRET":       "demo-secret-of-the-simulated-service",
	"DEMO_KF_TOKEN":        "demokftoken",
	"DEMO_KF_AES":          "c2VydmljZXNlcnZpY2VzZXJ2aWNlc2VydmljZXNlcnY",
	"DEMO_DING_SECRET":     "demo-secret-of-the-simulated-dingtalk",
	"DEMO_LARK_SECRET":     "demo-secret-of-the-simulated-feishu",
	"DEMO_LARK_KEY":        "demo-encrypt-key",
	"DEMO_LARK_TOKEN":      "demo-verification-token",
	"DEMO_API_KEY":         "sk-demo-of-this-parley-dev",
	"DEMO_OPENAI_API_KEY":  "sk-demo-of-the-simulated-openai",
	"DEMO_ZHIPU_API_KEY":   "demo.of-the-simulated-zhipu",
	"DEMO_QIANFAN_API_KEY": "bce-v3/ALTAK-demo/of-the-simulated-qianfan",
}

// RunDev is `parley dev`: Redis, a server, a client service, the simulated chat platforms and model vendors, and a page with their phones and the
// operator's switch, all in this process.
func RunDev(ctx context.Context, env wire.Env, o DevOptions) error {
	d := &devRun{env: env, opt: o, tel: telemetry.New(env.Stderr, true, slog.LevelWarn)}
	defer d.cleanup()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

// devRun is one run of `parley dev`.
type devRun struct {
	env       wire.Env
	opt       DevOptions
	tel       *telemetry.Telemetry
	redis     *miniredis.Miniredis
	dir       string
	platforms []*devPlatform // none with --config
	vendors   []*devVendor   // none with --config
	pages     *dev.Page
	page      net.Listener
	client    *client
	server    *server
	console   *console.Console
	desk      *operate.Desk
}

func (d *devRun) cleanup() {
	if d.desk != nil {
		d.desk.Close()
	}
	if d.redis != nil {
		d.redis.Close()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

// lookup looks a variable up; embedded secrets are there besides the process's own, but not beside one's own documents.
func (d *devRun) lookup(name string) (string, bool) {
	if v, ok := devSecrets[name]; ok && d.opt.Config == "" {
		return v, true
	}
	return os.LookupEnv(name)
}

func (d *devRun) prepare(ctx context.Context) (err error) {
	if d.page, err = listen(ctx, d.opt.HTTP, "--http"); err != nil {
		return err
	}
	if d.redis, err = miniredis.Run(); err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	if d.dir, err = os.MkdirTemp("", "parley-dev-"); err != nil {
		return err
	}
	if d.opt.Config != "" {
		if err = checkBase("OPENAI_BASE_URL"); err != nil {
			return err
		}
	}
	if d.opt.Config == "" {
		if err = d.openPlatforms(ctx); err != nil {
			return err
		}
		if err = d.openVendors(ctx); err != nil {
			return err
		}
	}
	secrets := wire.NewSecrets(d.lookup)
	clientCfg, err := d.clientConfig(secrets)
	if err != nil {
		return err
	}
	serverCfg := config.DefaultServer()
	serverCfg.RPC.Listen = "127.0.0.1:0"
	serverCfg.Registry.Mode = config.ModeDirect
	serverCfg.Live = clientCfg.Live
	serverCfg.Secrets = clientCfg.Secrets
	serverCfg.Outbound = append(serverCfg.Outbound, d.outbound()...)
	if d.server, err = newServer(serverCfg, d.env, telemetry.New(d.env.Stderr, true, slog.LevelWarn), secrets.At(serverCfg.Secrets.Dir)); err != nil {
		return err
	}
	clientCfg.Registry.Mode, clientCfg.Registry.Direct = config.ModeDirect, []string{d.server.rpc.Addr()}
	if d.client, err = newClient(clientCfg, d.env, d.tel, secrets.At(clientCfg.Secrets.Dir)); err != nil {
		return err
	}
	d.client.embedded = true
	d.pages = d.newPage()
	d.client.service.Complete = witness{d.client.service.Complete, d.pages.Answered}
	if err := d.connectOperator(clientCfg); err != nil {
		return err
	}
	return d.openConsole(clientCfg)
}

func (d *devRun) clientConfig(secrets *wire.Secrets) (*config.Client, error) {
	cfg := config.DefaultClient()
	if d.opt.Config != "" {
		var err error
		if cfg, err = config.LoadClient(d.opt.Config, config.Options{Secrets: secrets.Static}); err != nil {
			return nil, err
		}
	} else {
		if err := d.writeDocuments(); err != nil {
			return nil, err
		}
		cfg.Live = config.Live{Source: config.SourceFile, Dir: d.dir}
		cfg.Secrets.Dir = filepath.Join(d.dir, "secrets")
		for _, p := range d.platforms {
			p.configure(&cfg.Platforms, p.origin())
		}
		cfg.Tenants = []string{devTenant}
	}
	cfg.HTTP.Listen = d.page.Addr().String()
	cfg.Shutdown.Linger = 0 // nobody balances it
	cfg.Redis = config.Redis{Addrs: []string{d.redis.Addr()}}
	return cfg, nil
}

// run serves until ctx ends.
func (d *devRun) run(ctx context.Context) error {
	if d.opt.Config == "" {
		if err := d.connectPhones(); err != nil {
			return err
		}
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
	d.client.handler = d.handler(d.client.handler)
	var wg sync.WaitGroup
	errs := make(chan error, 2+len(d.platforms)+len(d.vendors))
	part := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- err
			}
			cancel()
		})
	}
	wg.Go(func() { <-ctx.Done(); _ = d.pages.Close() })
	// The server and the simulators outlive the client, so that turns can end.
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	wg.Go(func() { d.clock(base) })
	for _, p := range d.platforms {
		part(func() error { return serveHTTP(base, p.at, p.handler, time.Second) })
	}
	for _, v := range d.vendors {
		if v.sim != nil {
			part(func() error { return v.sim.Serve(base, v.at) })
		}
	}
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

// newPage makes the page: with a chat and phones of the embedded tenant, or with the ways in of one's own.
func (d *devRun) newPage() *dev.Page {
	if d.opt.Config != "" {
		return dev.New(dev.Options{Model: d.model(), Entries: d.entries})
	}
	return dev.New(dev.Options{
		ChatURL: "/chat/" + devTenant + "/web", Model: d.model(), Simulated: d.vendors[0].sim != nil,
		API: &dev.API{Key: devSecrets["DEMO_API_KEY"], Model: "chat"},
	})
}

// entries lists the channels of the tenants as they are loaded now.
func (d *devRun) entries() []dev.Entry {
	var list []dev.Entry
	for name, c := range d.client.tenants.companies.All() {
		for id, ch := range c.Channels {
			e := dev.Entry{Tenant: name, Channel: id, Kind: ch.Kind(), Path: "/callback/" + name + "/" + id}
			if _, ok := ch.(channel.Page); ok {
				e.Path, e.Page = "/chat/"+name+"/"+id, true
			}
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b dev.Entry) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// handler puts the dev page before the client service's own paths.
func (d *devRun) handler(public http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.pages)
	mux.Handle(consoleBase+"/", http.StripPrefix(consoleBase, d.console))
	for _, path := range []string{"/callback/", "/chat/", "/v1/"} {
		mux.Handle(path, public)
	}
	return mux
}

func (d *devRun) model() string {
	switch {
	case d.opt.Config != "":
		return "the live documents of " + d.opt.Config
	case d.vendors[0].sim == nil:
		return d.vendors[0].model
	default:
		return "simulated"
	}
}

func (d *devRun) announce(clientOps, serverOps net.Listener) {
	inPage := "in the page, or: "
	if d.opt.Config != "" {
		inPage = ""
	}
	fmt.Fprintf(d.env.Stdout, `Parley is running. Chat here:

    http://%s/

  models    %s
  metrics   http://%s/metrics (client)  http://%s/metrics (server)
  memory    embedded Redis: conversations end with this process
  switch    %sparley degrade --config %s --to PROVIDER
  console   %s   (logs you in, once)
  stop      Ctrl-C

`, d.page.Addr(), d.models(), clientOps.Addr(), serverOps.Addr(), inPage, d.commandConfig(), d.consoleLink(d.console.Invite()))
}
