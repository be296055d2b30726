package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"parley/internal/app/console"
	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/config"
)

// RunConsole is `parley console`: the operators' page, until ctx ends.
func RunConsole(ctx context.Context, env wire.Env, path string) error {
	tel := production(env)
	warnOfVariables(tel.Log)
	cfg, err := config.LoadConsole(path, config.Options{Secrets: wire.NewSecrets(nil).Static})
	if err != nil {
		return err
	}
	desk := operate.OpenDesk(config.Either{Console: cfg})
	defer desk.Close()
	if err := desk.Faults(); err != nil {
		return err
	}
	page, err := console.New(console.Options{
		Desk: desk, Env: env, Log: tel.Log, Metrics: tel.Metrics, Users: consoleUsers(cfg.Users), Idle: cfg.Session.Idle, Most: cfg.Session.Most,
		PublicURL: cfg.PublicURL, Secure: cfg.HTTP.TLS.Cert != "" || strings.HasPrefix(cfg.PublicURL, "https://"), Proxies: networks(cfg.Proxies), Look: cfg.Look,
	})
	if err != nil {
		return config.Faults{{File: path, What: err.Error(), Mend: "make it anew: parley console hash"}}
	}
	public, err := listen(ctx, cfg.HTTP.Listen, "http.listen")
	if err != nil {
		return err
	}
	address := public.Addr().String()
	if public, err = overTLS(public, cfg.HTTP.TLS); err != nil {
		return err
	}
	ops, err := listen(ctx, cfg.HTTP.Ops, "http.ops")
	if err != nil {
		return errors.Join(err, public.Close())
	}
	ready := &readiness{missing: func() []string { return nil }, state: func() any { return nil }}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	part := func(f func() error) { wg.Go(func() { errs <- f(); cancel() }) }
	part(func() error { return serveHTTP(ctx, public, page, 5*time.Second) })
	part(func() error { return serveHTTP(ctx, ops, opsHandler(tel.Metrics, ready), time.Second) })
	if cfg.HTTP.Debug != "" {
		l, err := listen(ctx, cfg.HTTP.Debug, "http.debug")
		if err != nil {
			return errors.Join(err, public.Close(), ops.Close())
		}
		part(func() error { return serveHTTP(ctx, l, debugHandler(), time.Second) })
	}
	tel.Log.Info("console starts", "version", env.Version, "http", address, "ops", ops.Addr().String(), "users", len(cfg.Users))
	wg.Wait()
	tel.Log.Info("console ends")
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

func consoleUsers(list []config.User) (out []console.User) {
	for _, u := range list {
		out = append(out, console.User{Name: u.Name, Role: console.ParseRole(u.Role), Hash: u.Password.Reveal()})
	}
	return out
}

func networks(list []string) (out []netip.Prefix) {
	for _, s := range list {
		if p, err := config.ParseNetwork(s); err == nil { // the configuration was judged
			out = append(out, p)
		}
	}
	return out
}

// overTLS speaks https, if there is a certificate; it is read again at every handshake, so that a new one needs no restart.
func overTLS(l net.Listener, c config.Certificate) (net.Listener, error) {
	if c.Cert == "" {
		return l, nil
	}
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		return &pair, err
	}
	if _, err := load(nil); err != nil {
		return nil, errors.Join(fmt.Errorf("http.tls: %w", err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load, NextProtos: []string{"http/1.1"}}), nil
}

// HashPassword is `parley console hash`: it reads a password from its input and prints the hash that console.yaml's references lead to.
func HashPassword(env wire.Env, in io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(in, 8<<10))
	if err != nil {
		return err
	}
	hash, err := console.Hash(strings.TrimRight(string(text), "\r\n"))
	if err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, hash)
	return nil
}
