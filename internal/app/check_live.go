package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"parley/internal/config"
	"parley/internal/route"
	"parley/internal/telemetry"

	"os"
)

// checkLive asks what the files name whether it can be reached with the credentials given. It changes nothing there.
func checkLive(ctx context.Context, env Env, secrets *secretStores, checked []config.Checked) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	say := func(file, what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", file, what, err))
			return
		}
		fmt.Fprintf(env.Stdout, "%s: %s: works\n", file, what)
	}
	for _, c := range checked {
		switch c.Kind {
		case config.KindClient, config.KindServer:
			cfg, err := config.Load(c.File, config.Options{Secrets: secrets.static})
			if err != nil {
				return err
			}
			if cfg.Client != nil {
				say(c.File, "redis", checkRedis(ctx, cfg.Client))
			}
			if cfg.Registry().Mode == config.ModeNacos || cfg.Live().Source == config.SourceNacos {
				say(c.File, "nacos", checkNacos(ctx, cfg))
			}
		case config.KindRoutes:
			content, err := os.ReadFile(c.File)
			if err != nil {
				return err
			}
			t, err := route.Parse(content, route.Options{Source: c.File, ReadOnly: true})
			if err != nil {
				return err
			}
			for _, p := range t.Providers() {
				if p.BaseURL != "" {
					say(c.File, "provider "+p.Name, checkProvider(ctx, p))
				}
			}
		default: // tenants' platforms are asked with issue of their channels' own checks
		}
	}
	return errors.Join(errs...)
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

// checkProvider sees whether the address takes a connection; whether the key is good, only a paid call would tell.
func checkProvider(ctx context.Context, p *route.Provider) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.BaseURL+"/models", nil)
	if err != nil {
		return err
	}
	c := &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}}
	for _, key := range p.Keys {
		req.Header.Set("Authorization", "Bearer "+key.Reveal())
		break
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		return fmt.Errorf("the key is refused (%s)", res.Status)
	}
	return nil
}
