package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	llmall "parley/internal/llm/all"
	"parley/internal/route"
	"parley/internal/secret"
)

// Check is `parley check`: it validates each file and prints every fault of every file. References need not resolve on this machine: the
// files may be meant for another one. With live it also asks the parts that the files name whether they can be reached with the
// credentials given; then references must resolve here.
func Check(ctx context.Context, env Env, files []string, live bool) error {
	secrets := secretsOf(nil)
	opt := config.Options{Elsewhere: !live, Secrets: secrets.probe}
	if live {
		opt.Secrets = secrets.static
	}
	dir := secretsDir(files)
	checked := config.Check(files, opt, checkers(secrets.at(dir), live))
	var faults config.Faults
	for _, c := range checked {
		kind := string(c.Kind)
		if kind == "" {
			kind = "unknown"
		}
		if len(c.Faults) == 0 {
			fmt.Fprintf(env.Stdout, "%s: ok (%s)\n", c.File, kind)
		}
		faults = append(faults, c.Faults...)
	}
	if len(faults) > 0 {
		return faults
	}
	if live {
		return checkLive(ctx, env, secrets, checked, dir)
	}
	return nil
}

// probe resolves references of the static configuration where their targets need not exist.
func (s *secretStores) probe(dir string) func(string) (chat.Secret, error) {
	return s.at(dir).Static().Probe
}

// secretsDir is the secrets folder that a checked client.yaml or server.yaml names, else the default one.
func secretsDir(files []string) string {
	for _, f := range files {
		base := filepath.Base(f)
		if !strings.HasPrefix(base, "client") && !strings.HasPrefix(base, "server") {
			continue
		}
		cfg, err := config.Load(f, config.Options{Elsewhere: true})
		switch {
		case err != nil:
		case cfg.Client != nil:
			return cfg.Client.Secrets.Dir
		case cfg.Server != nil:
			return cfg.Server.Secrets.Dir
		}
	}
	return config.DefaultClient().Secrets.Dir
}

// checkers decode live documents as the roles do, without the services around them.
func checkers(secrets *secret.Store, live bool) map[config.Kind]config.Decoder {
	resolveRoute, resolveTenant := secrets.Routes().Probe, func(tenant, ref string) (chat.Secret, error) {
		s, err := secrets.ProbeTenant(tenant, ref)
		if err == nil && s.IsZero() {
			s = standIn()
		}
		return s, err
	}
	if live {
		resolveRoute, resolveTenant = secrets.Routes().Resolve, secrets.ResolveTenant
	}
	return map[config.Kind]config.Decoder{
		config.KindRoutes: func(d config.Document) config.Faults {
			_, err := route.Parse(d.Content, route.Options{
				Source: d.File, AnyOrigin: true, Dialects: llmall.Names(), Resolve: resolveRoute,
			})
			return faultsOf(d.File, err)
		},
		config.KindDegradation: func(d config.Document) config.Faults {
			_, err := route.ParseDegradation(d.Content, d.File, "")
			return faultsOf(d.File, err)
		},
		config.KindTenant: func(d config.Document) config.Faults {
			name := d.Name
			if name == "" {
				name = tenantPrefix
			}
			c, err := decodeCompany(liveconfig.Document{Name: name, Content: d.Content}, resolveTenant, checkDeps())
			if err == nil {
				c.close()
			}
			fs := faultsOf(d.File, err)
			for i := range fs {
				fs[i].File = d.File
			}
			return fs
		},
	}
}

// standIn takes the place of a secret that need not be on this machine; it has the form of all of them, a platform's AES key included.
func standIn() chat.Secret { return chat.NewSecret(strings.Repeat("A", 43)) }

// checkDeps are enough for channels to be made, not used.
func checkDeps() channel.Deps {
	return channel.Deps{
		HTTP: platformClient(), Log: slog.New(slog.DiscardHandler), Now: time.Now, Loopback: true,
		Origins: originsOf(config.DefaultClient().Platforms),
	}
}

// faultsOf gathers the faults that the document packages return in their own forms.
func faultsOf(file string, err error) config.Faults {
	var out config.Faults
	for _, err := range flatten(err) {
		if f, ok := errors.AsType[*route.Faults](err); ok {
			for _, x := range f.List {
				out = append(out, config.Fault{File: file, Line: x.Line, Path: x.Where, What: x.What})
			}
		} else if fs, ok := errors.AsType[chat.Faults](err); ok {
			out = append(out, fs...)
		} else {
			out = append(out, config.Fault{File: file, What: err.Error()})
		}
	}
	return out
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}
