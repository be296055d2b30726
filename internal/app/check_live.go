package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/llm"
	llmall "parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// checkLive asks what the files name whether it can be reached with the credentials given. It changes nothing there.
func checkLive(ctx context.Context, env Env, secrets *secretStores, checked []config.Checked, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l := &liveCheck{env: env, secrets: secrets, tenants: secrets.at(dir), deps: checkDeps()}
	for _, c := range checked { // the platforms' origins stand in client.yaml
		if c.Kind == config.KindClient {
			if cfg, err := config.LoadClient(c.File, config.Options{Secrets: secrets.static}); err == nil {
				l.deps.Origins = originsOf(cfg.Platforms)
			}
		}
	}
	for _, c := range checked {
		if err := l.file(ctx, c); err != nil {
			return err
		}
	}
	return errors.Join(l.errs...)
}

// liveCheck is one run of `parley check --live`.
type liveCheck struct {
	env     Env
	secrets *secretStores
	tenants *secret.Store
	deps    channel.Deps
	errs    []error
}

func (l *liveCheck) say(file, what string, err error) {
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %s: %w", file, what, err))
		return
	}
	fmt.Fprintf(l.env.Stdout, "%s: %s: works\n", file, what)
}

func (l *liveCheck) file(ctx context.Context, c config.Checked) error {
	switch c.Kind {
	case config.KindClient, config.KindServer:
		cfg, err := config.Load(c.File, config.Options{Secrets: l.secrets.static})
		if err != nil {
			return err
		}
		if cfg.Client != nil {
			l.say(c.File, "redis", checkRedis(ctx, cfg.Client))
		}
		if cfg.Registry().Mode == config.ModeNacos || cfg.Live().Source == config.SourceNacos {
			l.say(c.File, "nacos", checkNacos(ctx, cfg))
		}
		return nil
	}
	content, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	switch c.Kind {
	case config.KindRoutes:
		t, err := route.Parse(content, route.Options{
			Source: c.File, AnyOrigin: true, Dialects: llmall.Names(), Resolve: l.tenants.Routes().Resolve,
		})
		if err != nil {
			return err
		}
		for _, w := range t.Warnings() {
			l.errs = append(l.errs, fmt.Errorf("%s: %s", c.File, w))
		}
		for _, p := range t.Providers() {
			if p.BaseURL != "" && (len(p.Keys) > 0 || !p.NeedsKey) {
				l.say(c.File, "provider "+p.Name, checkProvider(ctx, p))
			}
		}
	case config.KindTenant:
		_, name := config.Detect(c.File, content)
		co, err := decodeCompany(liveconfig.Document{Name: name, Content: content}, l.tenants.ResolveTenant, l.deps)
		if err != nil {
			return err
		}
		defer co.close()
		for name, ch := range co.channels {
			if asks, ok := ch.(channel.Checker); ok {
				l.say(c.File, "channel "+name, asks.Check(ctx))
			}
		}
	}
	return nil
}

func checkRedis(ctx context.Context, cfg *config.Client) error {
	store, err := openStore(cfg.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	return store.Ping(ctx)
}

func checkNacos(ctx context.Context, cfg config.Either) error {
	src, closer, err := openSource(config.Live{Source: config.SourceNacos}, cfg.Registry(), telemetry.Discard())
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	for {
		_, exists, err := src.Get(ctx, routesDocument)
		switch {
		case err == nil && !exists:
			return errors.New("answers, but has no document parley-routes in group PARLEY: publish it")
		case err == nil:
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(300 * time.Millisecond): // a new connection needs a moment
		}
	}
}

// checkProvider lists the models with each key as a turn would show it, which costs nothing: the address answers, and no key is refused. Not
// every vendor judges keys there.
func checkProvider(ctx context.Context, p *route.Provider) error {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	dial, ok := llmall.Dialects()[p.Dialect]
	if !ok {
		return fmt.Errorf("no dialect %s", p.Dialect)
	}
	client, err := dial(llm.Endpoint{Name: p.Name, Dialect: p.Dialect, BaseURL: p.BaseURL, Auth: p.Auth, AppID: p.AppID,
		PriorKnowledge: p.PriorKnowledge, Connect: 5 * time.Second})
	if err != nil {
		return err
	}
	asks, ok := client.(interface {
		Check(context.Context, chat.Secret) error
		Close()
	})
	if !ok {
		return nil
	}
	defer asks.Close()
	keys := p.Keys
	if len(keys) == 0 {
		keys = []chat.Secret{{}}
	}
	for _, key := range keys {
		switch err := asks.Check(ctx, key); chat.KindOf(err) {
		case chat.Unauthenticated, chat.Forbidden, chat.Billing:
			return fmt.Errorf("the key is refused (%w), fingerprint %s", err, key.Fingerprint())
		default:
			if err != nil {
				return err
			}
		}
	}
	return nil
}
