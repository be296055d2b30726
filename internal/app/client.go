package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/channel/openai"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/conversation"
	"parley/internal/liveconfig"
	"parley/internal/redisstore"
	"parley/internal/route"
	"parley/internal/rpc"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// RunClient is `parley client`: it runs until ctx ends, then stops accepting, finishes or hands over what runs, and leaves.
func RunClient(ctx context.Context, env wire.Env, path string) error {
	tel := production(env)
	done, err := traceTo(ctx, tel, "parley-client", env.Version)
	if err != nil {
		return err
	}
	defer done()
	tuneGC(ctx, tel.Log)
	warnOfVariables(tel.Log) // before the configuration is judged: what it lacks may stand in one of them
	secrets := wire.NewSecrets(nil)
	cfg, err := config.LoadClient(path, config.Options{Secrets: secrets.Static})
	if err != nil {
		return err
	}
	c, err := newClient(cfg, env, tel, secrets.At(cfg.Secrets.Dir))
	if err != nil {
		return err
	}
	public, err := listen(ctx, cfg.HTTP.Listen, "http.listen")
	if err != nil {
		return errors.Join(err, c.close())
	}
	ops, err := listen(ctx, cfg.HTTP.Ops, "http.ops")
	if err != nil {
		return errors.Join(err, public.Close(), c.close())
	}
	return c.run(ctx, public, ops)
}

// client is one client service, wired and not yet running.
type client struct {
	cfg      *config.Client
	env      wire.Env
	tel      *telemetry.Telemetry
	id       string
	secrets  *secret.Store
	store    *redisstore.Store
	memory   *memoryGuard
	clock    *clockWatch
	source   liveconfig.Source
	routes   *liveconfig.Value[*route.Table]
	tenants  *directory
	rpc      *rpc.Client
	service  *conversation.Service
	front    *channel.Front
	api      *openai.Entry
	handler  http.Handler // what the public address serves: front and api, and in dev a page before them
	embedded bool         // Redis is this process's own
	closers  []func() error
	redisUp  chan struct{}
	loaded   chan struct{}
	started  time.Time
}

// inbox lets channels be made before the service that takes their messages.
type inbox struct{ *client }

// Accept implements channel.Inbox. It writes nothing before it is known that this release may write there.
func (i inbox) Accept(ctx context.Context, m chat.Message) error {
	if !closed(i.redisUp) {
		return chat.E(chat.Unavailable, "app.accept", errors.New("Redis has not answered since this process started"))
	}
	if err := i.memory.refuses(); err != nil {
		return err
	}
	return i.service.Accept(ctx, m)
}

// newClient makes the parts and connects nothing that could block for long.
func newClient(cfg *config.Client, env wire.Env, tel *telemetry.Telemetry, secrets *secret.Store) (c *client, err error) {
	c = &client{cfg: cfg, env: env, tel: tel, id: processID(), secrets: secrets, redisUp: make(chan struct{}), loaded: make(chan struct{}), started: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.store, err = wire.OpenLastingStore(cfg.Redis, tel.Log); err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.store.Close)
	c.store.KeepRecords(redisstore.RecordOptions{Keep: cfg.Records.Keep, People: cfg.Records.People})
	c.memory = newMemoryGuard(c.store.Full, tel.Log, tel.Metrics)
	c.clock = newClockWatch(c.store.Skew, tel.Metrics)
	tel.Metrics.MustRegister(certificatesOf("client", func() time.Time { return c.rpc.CertificateEnds() }, cfg.RPC.TLS, cfg.Registry.Nacos.TLS, cfg.Redis.TLS))
	tellOfProcess(tel, "client", env.Version)
	source, closer, err := wire.OpenSource(cfg.Live, cfg.Registry, tel)
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, closer.Close)
	if source, err = withSnapshot(source, cfg.Live, tel.Log); err != nil {
		return c, err
	}
	c.source = source
	metrics := liveconfig.NewMetrics(tel.Metrics)
	c.routes = readOnlyRoutes(source, tel.Log, metrics)
	deps := channel.Deps{
		HTTP: wire.PlatformClient(), Inbox: inbox{c}, Tokens: c.store, Locks: c.store, Lead: c.store, Limits: c.store, Memo: c.store, Relay: c.store, Live: c.store, Feed: c.store,
		Direct: direct{c},
		Log:    tel.Log, Metrics: tel.Metrics, Trace: tel.Trace, Now: time.Now, Loopback: config.Loopback(cfg.HTTP.Listen),
		Origins: wire.Origins(cfg.Platforms, cfg.Moderation),
	}
	c.tenants = &directory{companies: companies(source, cfg.Tenants, secrets, deps, metrics), routes: c.routes, named: cfg.Tenants, loaded: func() bool { return closed(c.loaded) }}
	registry := wire.Registry(cfg.Registry)
	if cfg.Live.Snapshot != "" {
		registry.Nacos.Snapshot = filepath.Join(cfg.Live.Snapshot, "servers.json")
	}
	c.rpc, err = rpc.Dial(rpc.ClientOptions{
		TLS: wire.TLS(cfg.RPC.TLS), Insecure: cfg.RPC.Insecure, Registry: registry, Telemetry: tel,
	})
	if err != nil {
		return c, err
	}
	c.closers = append(c.closers, c.rpc.Close)
	c.service = conversation.New(conversation.Options{
		Store: c.store, Live: liveWriter{c.store, c.tenants}, Complete: c.rpc, Directory: c.tenants, Owner: c.id, Log: tel.Log, Metrics: tel.Metrics, Trace: tel.Trace,
		Turns: cfg.Limits.Turns, Waiting: cfg.Limits.Waiting, Turn: c.turnDeadline, Grace: cfg.Shutdown.Grace, Forgot: c.forgot,
		Moderation: c.tenants.moderator,
	})
	c.front = channel.NewFront(c.tenants.lookup, deps)
	c.api = openai.NewEntry(openai.EntryOptions{Loaded: func() bool { return closed(c.loaded) }, Deps: deps})
	c.handler = c.public()
	return c, nil
}

// turnDeadline is a little more than the server's own, so that the server's error, which says more, comes first.
func (c *client) turnDeadline() time.Duration {
	if t, ok := c.routes.Get(); ok {
		return t.Deadlines().Turn + 5*time.Second
	}
	return 185 * time.Second
}

// run serves until ctx ends. In the end nothing more is claimed and /readyz says so; callbacks are taken until whoever balances the entry has
// seen that; turns end or are handed over; then everything else.
func (c *client) run(ctx context.Context, public, ops net.Listener) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx)) // what turns need while they end
	defer stop()
	var wg sync.WaitGroup
	background := func(f func(context.Context)) { wg.Go(func() { f(base) }) }
	over := newOversight(c.tel.Log, c.tenants, c.cfg.RPC.TLS.Cert)
	over.watch()
	c.tel.Metrics.MustRegister(over)
	receive := newRunners()
	c.tel.Metrics.MustRegister(receive)
	c.tenants.companies.Subscribe(func(name string, co *wire.Company) {
		if co.Tenant.Suspended {
			c.service.Suspend(name)
		}
		receive.swap(name, co)
		c.api.Set(name, co.Channels)
	})
	background(func(ctx context.Context) { _ = c.routes.Run(ctx) })
	background(func(ctx context.Context) { _ = c.tenants.companies.Run(ctx) })
	background(func(ctx context.Context) { _ = c.secrets.Watch(ctx) })
	background(c.awaitDocuments)
	if !c.embedded {
		background(c.memory.run)
		background(c.clock.run)
	}
	c.secrets.OnChange(c.tenants.companies.Refresh)
	background(c.followPassword)

	ready := &readiness{missing: c.missing, state: func() any { return over.documents(c.documents()) }}
	background(func(ctx context.Context) {
		c.logHTTP(serveHTTP(ctx, ops, opsHandler(c.tel.Metrics, ready), time.Second))
	})
	if c.cfg.HTTP.Debug != "" {
		l, err := listen(ctx, c.cfg.HTTP.Debug, "http.debug")
		if err != nil {
			return err
		}
		background(func(ctx context.Context) { c.logHTTP(serveHTTP(ctx, l, debugHandler(), time.Second)) })
	}
	c.tel.Log.Info("client service starts", "id", c.id, "version", c.env.Version, "http", public.Addr().String(), "ops", ops.Addr().String())

	failed := make(chan error, 2)
	working, leave := context.WithCancel(ctx)
	defer leave()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	fail := func(err error) {
		failed <- err
		stopServing()
		leave()
	}
	var work sync.WaitGroup
	work.Go(func() {
		c.warmUp(working)
		// An answer to a program cannot be handed over: it has the time that turns have.
		if err := serveHTTP(serving, public, ready.closing(c.handler), max(5*time.Second, c.cfg.Shutdown.Grace)); err != nil {
			fail(err)
		}
	})
	work.Go(func() {
		if err := c.awaitRedis(working); err != nil {
			fail(err)
		} else if closed(c.redisUp) {
			background(c.heartbeat)
			_ = c.service.Run(working)
		}
	})
	work.Go(func() {
		if c.serving(working) {
			receive.run(working)
		}
	})
	work.Go(func() {
		<-working.Done()
		ready.leaving.Store(true)
		select {
		case <-time.After(c.cfg.Shutdown.Linger):
		case <-serving.Done():
		}
		c.tenants.close() // streams to browsers would never end by themselves
		stopServing()
	})
	work.Wait()
	c.service.Settle()
	stop()
	wg.Wait()
	c.tel.Log.Info("client service ends", "id", c.id)
	select {
	case err := <-failed:
		return errors.Join(err, c.close())
	default:
		return c.close()
	}
}

func (c *client) logHTTP(err error) {
	if err != nil {
		c.tel.Log.Error("an operators' address does not serve", "err", err)
	}
}

func (c *client) close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// awaitRedis notes when Redis first answers. Its error says that what Redis holds is not for this release.
func (c *client) awaitRedis(ctx context.Context) error {
	for warned := false; ; {
		err := c.store.Admit(ctx)
		if err == nil {
			close(c.redisUp)
			if !c.embedded {
				c.warnAboutRedis(ctx)
			}
			return nil
		}
		if misfit, ok := errors.AsType[*redisstore.FormatError](err); ok {
			return misfit
		}
		if !warned && ctx.Err() == nil {
			warned = true
			c.tel.Log.Warn("Redis does not answer as it should; callbacks get 503 until it does", "addrs", c.cfg.Redis.Addrs, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// warnAboutRedis says what in Redis's own settings weakens Parley's guarantees.
func (c *client) warnAboutRedis(ctx context.Context) {
	m, err := c.store.Memory(ctx, c.cfg.Redis.Username == "")
	if err != nil {
		return
	}
	for _, w := range wire.RedisWarnings(m) {
		c.tel.Log.Warn("a setting of Redis weakens what Parley promises", "setting", w)
	}
}

// warmUp lets callbacks that come while this process starts wait a moment, rather than be refused for what is only being read.
func (c *client) warmUp(ctx context.Context) {
	enough := time.After(time.Second)
	for _, part := range []<-chan struct{}{c.loaded, c.redisUp} {
		select {
		case <-part:
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
	}
}

// serving waits until messages can be accepted; false: ctx ended before.
func (c *client) serving(ctx context.Context) bool {
	for _, part := range []<-chan struct{}{c.loaded, c.redisUp} {
		select {
		case <-part:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (c *client) awaitDocuments(ctx context.Context) {
	if c.routes.Wait(ctx) == nil && c.tenants.companies.Wait(ctx) == nil {
		close(c.loaded)
	}
}

func (c *client) missing() []string {
	var out []string
	if !closed(c.redisUp) {
		out = append(out, "redis")
	}
	if !closed(c.loaded) {
		out = append(out, "documents")
	}
	return out
}

func (c *client) documents() []rpc.Document {
	return documentStates(append(c.tenants.companies.Health(), c.routes.Health())...)
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// processID is unique per start, and says where to look.
func processID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	var b [6]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(b[:]))
}
