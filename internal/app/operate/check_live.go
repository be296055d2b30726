package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/llm"
	llmall "parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/telemetry"
)

// checkLive asks what the files name whether it can be reached with the credentials given. It changes nothing there.
func checkLive(ctx context.Context, env wire.Env, secrets *wire.Secrets, checked []config.Checked, j *judge) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l := &liveCheck{env: env, secrets: secrets, judge: j, deps: checkDeps()}
	for _, c := range checked { // the platforms' origins stand in client.yaml
		if c.Kind == config.KindClient {
			if cfg, err := config.LoadClient(c.File, config.Options{Secrets: secrets.Static}); err == nil {
				l.deps.Origins = wire.Origins(cfg.Platforms, cfg.Moderation)
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
	env     wire.Env
	secrets *wire.Secrets
	judge   *judge
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
		cfg, err := config.Load(c.File, config.Options{Secrets: l.secrets.Static})
		if err != nil {
			return err
		}
		if cfg.Client != nil {
			l.redis(ctx, c.File, cfg.Client)
		}
		if cfg.Registry().Mode == config.ModeNacos || cfg.Live().Source == config.SourceNacos {
			l.say(c.File, "nacos", checkNacos(ctx, cfg))
		}
		return nil
	}
	for _, r := range l.judge.routes { // the very form whose origins were judged
		if r.file == c.File {
			l.routes(ctx, r)
		}
	}
	for _, t := range l.judge.tenants {
		if t.File != c.File {
			continue
		}
		if err := l.channels(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (l *liveCheck) routes(ctx context.Context, r checkedRoutes) {
	for _, w := range r.table.Warnings() {
		if !l.judge.forServers() {
			break // it was a warning
		}
		l.errs = append(l.errs, fmt.Errorf("%s: %s", r.file, w))
	}
	for _, p := range r.table.Providers() {
		if p.BaseURL != "" && (len(p.Keys) > 0 || !p.NeedsKey) {
			l.say(r.file, "provider "+p.Name, reach(checkProvider(ctx, p), p.BaseURL, "base_url"))
		}
	}
}

// channels asks a tenant's platforms. Channels are made anew: their origins stand in client.yaml, which may come after the tenant's document.
func (l *liveCheck) channels(ctx context.Context, t checkedTenant) error {
	co, err := wire.DecodeCompany(liveconfig.Document{Name: t.Name, Content: t.Content}, l.judge.secrets.ResolveTenant, l.deps)
	if err != nil {
		return err
	}
	defer co.Close()
	for _, name := range slices.Sorted(maps.Keys(co.Channels)) {
		ch := co.Channels[name]
		if asks, ok := ch.(channel.Checker); ok {
			l.say(t.File, "channel "+name, l.platform(ch.Kind(), asks.Check(ctx)))
		}
		if _, called := ch.(channel.Callback); called {
			proof := "the platform then verifies address, token and key"
			if ch.Kind() == "dingtalk" {
				proof = "DingTalk verifies nothing there, so write to the robot: its answer is the proof"
			}
			fmt.Fprintf(l.env.Stdout, "%s: channel %s: not proved from here: that the platform reaches its callback. Enter https://<your domain>%s on the platform's page and save: %s\n",
				t.File, name, callbackPath(co.Tenant.Name, name), proof)
		}
	}
	return nil
}

// callbackPath is where the front serves a channel's callback.
func callbackPath(tenant, name string) string { return "/callback/" + tenant + "/" + name }

// platform adds which origin was asked, and where it is set.
func (l *liveCheck) platform(kind string, err error) error {
	o := l.deps.Origins
	for _, platform := range []struct{ kind, origin, key string }{
		{"wecombot", o.WeComBot, "wecom_bot"}, {"wecom", o.WeCom, "wecom"}, {"dingtalk", o.DingTalk, "dingtalk"}, {"feishu", o.Feishu, "feishu"},
	} {
		if strings.HasPrefix(kind, platform.kind) {
			return reach(err, platform.origin, "platforms."+platform.key+" in client.yaml")
		}
	}
	return err
}

// reach adds to an error of the way there whom it was on the way to, and what to look at. What came back from there is left as it is.
func reach(err error, address, key string) error {
	switch kind := chat.KindOf(err); {
	case err == nil:
		return nil
	case kind == chat.Unavailable, kind == chat.Timeout, kind == chat.Internal:
		return fmt.Errorf("%w; asked %s: is %s right, does it run, and does a firewall, DNS, TLS or a proxy (HTTPS_PROXY) stand between here and there?", err, address, key)
	}
	return err
}

// redis asks whether Redis answers, and warns of settings that weaken what Parley promises.
func (l *liveCheck) redis(ctx context.Context, file string, cfg *config.Client) {
	store, err := wire.OpenStore(cfg.Redis)
	if err != nil {
		l.say(file, "redis", err)
		return
	}
	defer func() { _ = store.Close() }()
	err = store.Ping(ctx)
	l.say(file, "redis", reach(err, strings.Join(cfg.Redis.Addrs, ", "), "redis.addrs"))
	if err != nil {
		return
	}
	if err := store.Readable(ctx); err != nil {
		l.say(file, "redis", err)
	}
	for _, t := range cfg.Tenants { // a Redis user of another tenant pings as well
		if _, err := store.Stats(ctx, t); err != nil {
			l.say(file, "redis: the keys of tenant "+t, err)
		}
	}
	m, err := store.Memory(ctx, true)
	if err != nil {
		fmt.Fprintf(l.env.Stdout, "%s: redis: warning: its settings are not known: %v\n", file, err)
		return
	}
	for _, w := range wire.RedisWarnings(m) {
		fmt.Fprintf(l.env.Stdout, "%s: redis: warning: %s\n", file, w)
	}
}

func checkNacos(ctx context.Context, cfg config.Either) error {
	src, closer, err := wire.OpenSource(config.Live{Source: config.SourceNacos}, cfg.Registry(), telemetry.Discard())
	if err != nil {
		return err
	}
	defer func() { _ = closer.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	var said error
	for {
		_, exists, err := src.Get(ctx, wire.RoutesDocument)
		switch {
		case err == nil && !exists:
			return errors.New("answers, but has no document parley-routes in group PARLEY: publish it")
		case err == nil:
			return nil
		}
		said = telling(said, err)
		select {
		case <-ctx.Done():
			return reach(said, strings.Join(cfg.Registry().Nacos.Addrs, ", ")+" (gRPC on the port 1000 above)", "registry.nacos.addrs")
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
