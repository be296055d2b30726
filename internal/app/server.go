package app

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/config"
	keyfleet "parley/internal/fleet"
	"parley/internal/liveconfig"
	"parley/internal/llm"
	"parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/rpc"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// RunServer is `parley server`: it runs until ctx ends, then leaves the registry, lets running streams end, and leaves.
func RunServer(ctx context.Context, env wire.Env, path string) error {
	tel := production(env)
	done, err := traceTo(ctx, tel, "parley-server", env.Version)
	if err != nil {
		return err
	}
	defer done()
	tuneGC(ctx, tel.Log)
	warnOfVariables(tel.Log) // before the configuration is judged: what it lacks may stand in one of them
	secrets := wire.NewSecrets(nil)
	cfg, err := config.LoadServer(path, config.Options{Secrets: secrets.Static})
	if err != nil {
		return err
	}
	s, err := newServer(cfg, env, tel, secrets.At(cfg.Secrets.Dir))
	if err != nil {
		return err
	}
	ops, err := listen(ctx, cfg.HTTP.Ops, "http.ops")
	if err != nil {
		return errors.Join(err, s.close())
	}
	return s.run(ctx, ops)
}

// server is one server instance, wired and not yet running.
type server struct {
	cfg     *config.Server
	env     wire.Env
	tel     *telemetry.Telemetry
	secrets *secret.Store
	routes  *liveconfig.Value[*route.Table]
	degrade *liveconfig.Value[*route.Degradation]
	llm     *llm.Service
	rpc     *rpc.Server
	fleet   *keyfleet.Fleet
	others  *rpc.Client // to the other servers; nil: there can be none
	source  func() error
	loaded  chan struct{}
}

func newServer(cfg *config.Server, env wire.Env, tel *telemetry.Telemetry, secrets *secret.Store) (*server, error) {
	source, closer, err := wire.OpenSource(cfg.Live, cfg.Registry, tel)
	if err != nil {
		return nil, err
	}
	metrics := liveconfig.NewMetrics(tel.Metrics)
	s := &server{
		cfg: cfg, env: env, tel: tel, secrets: secrets, source: closer.Close, loaded: make(chan struct{}),
		routes: routesFor(source, cfg.Outbound, secrets, tel.Log, metrics),
	}
	table := func() *route.Table { t, _ := s.routes.Get(); return t }
	taken := newSwitchLog(tel.Log)
	tel.Metrics.MustRegister(taken, certificatesOf("server", func() time.Time { return s.rpc.CertificateEnds() }, cfg.RPC.TLS, cfg.Registry.Nacos.TLS, config.CA{}))
	tellOfProcess(tel, "server", env.Version)
	s.degrade = switches(source, table, taken, tel.Log, metrics)
	s.llm, err = llm.New(llm.Options{
		Table:       table,
		Degradation: func() *route.Degradation { d, _ := s.degrade.Get(); return d },
		Dialects:    all.Dialects(), Fleet: keys{s}, Telemetry: tel,
	})
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	s.rpc, err = rpc.NewServer(rpc.ServerOptions{
		Listen: cfg.RPC.Listen, Advertise: cfg.RPC.Advertise, TLS: wire.TLS(cfg.RPC.TLS), Insecure: cfg.RPC.Insecure, Renew: cfg.RPC.Renew,
		Registry: wire.Registry(cfg.Registry), Streams: cfg.Limits.Streams, Drain: drain, Handler: s.llm, Documents: s.documents,
		Providers: s.llm.Providers, Alone: func() string { return s.fleet.Alone() }, Keys: keyHandler{s}, Version: env.Version, Telemetry: tel,
	})
	if err == nil {
		err = s.joinFleet()
	}
	if err != nil {
		return nil, errors.Join(err, closer.Close())
	}
	return s, nil
}

// drain is how long running streams may go on after SIGTERM: the longest turn and a little.
const drain = 190 * time.Second

func (s *server) run(ctx context.Context, ops net.Listener) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	background := func(f func(context.Context)) { wg.Go(func() { f(base) }) }
	background(func(ctx context.Context) { _ = s.routes.Run(ctx) })
	background(func(ctx context.Context) {
		if s.routes.Wait(ctx) == nil { // switches are judged by the routes
			_ = s.degrade.Run(ctx)
		}
	})
	background(func(ctx context.Context) { _ = s.secrets.Watch(ctx) })
	background(func(ctx context.Context) {
		if s.routes.Wait(ctx) == nil && s.degrade.Known(ctx) == nil {
			close(s.loaded)
		}
	})
	s.secrets.OnChange(s.routes.Refresh)
	s.routes.Subscribe(func(*route.Table) { s.degrade.Refresh() }) // a switch may lead somewhere now
	ready := &readiness{missing: s.missing, state: func() any { return s.documents() }}
	serve := func(l net.Listener) func(context.Context) {
		return func(ctx context.Context) {
			if err := serveHTTP(ctx, l, opsHandler(s.tel.Metrics, ready), time.Second); err != nil {
				s.tel.Log.Error("the operators' address does not serve", "err", err)
			}
		}
	}
	background(serve(ops))
	background(s.follow)
	if s.cfg.HTTP.Debug != "" {
		l, err := listen(ctx, s.cfg.HTTP.Debug, "http.debug")
		if err != nil {
			return err
		}
		background(func(ctx context.Context) { _ = serveHTTP(ctx, l, debugHandler(), time.Second) })
	}
	s.tel.Log.Info("server starts", "version", s.env.Version, "rpc", s.rpc.Addr(), "ops", ops.Addr().String())
	defer context.AfterFunc(ctx, func() {
		ready.leaving.Store(true)
		s.fleet.Leave()
	})()
	err := s.serve(ctx)
	stop()
	wg.Wait()
	s.tel.Log.Info("server ends")
	return errors.Join(err, s.close())
}

// serve waits for the routes before it offers the instance to clients: without them it could only refuse.
func (s *server) serve(ctx context.Context) error {
	select {
	case <-s.loaded:
	case <-ctx.Done():
		return nil
	}
	return s.rpc.Run(ctx)
}

func (s *server) close() error {
	s.llm.Close()
	if s.others != nil {
		_ = s.others.Close()
	}
	return s.source()
}

func (s *server) missing() []string {
	var out []string
	if !closed(s.loaded) {
		out = append(out, "documents")
	}
	if !closed(s.rpc.Ready()) {
		out = append(out, "registration")
	}
	return out
}

func (s *server) documents() []rpc.Document {
	docs := documentStates(s.routes.Health(), s.degrade.Health())
	switches, _ := s.degrade.Get()
	docs[1].InForce = inForce(switches, time.Now())
	return docs
}
