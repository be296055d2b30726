package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/route"
)

// Check is `parley check`: it validates each file, alone and beside the others, and prints every fault of every file; what is allowed and
// probably not meant is a warning on stderr. References need not resolve on this machine: the files may be meant for another one. With live it
// also asks the parts that the files name whether they can be reached with the credentials given; then references must resolve here, and no
// origin is called that servers would not call.
func Check(ctx context.Context, env wire.Env, files []string, live bool) error {
	secrets := wire.NewSecrets(nil)
	opt := config.Options{Elsewhere: !live, Secrets: secrets.Probe}
	if live {
		opt.Secrets = secrets.Static
	}
	limits, err := outbounds(files, live)
	if err != nil {
		return err
	}
	j := &judge{live: live, secrets: secrets.At(secretsDir(files)), limits: limits, clients: clients(files)}
	checked := config.Check(files, opt, j.decoders())
	more := j.together(time.Now())
	var faults config.Faults
	for _, c := range checked {
		kind := string(c.Kind)
		if kind == "" {
			kind = "unknown"
		}
		if c.Faults = append(c.Faults, more[c.File]...).Sorted(); len(c.Faults) == 0 {
			fmt.Fprintf(env.Stdout, "%s: ok (%s)\n", c.File, kind)
		}
		faults = append(faults, c.Faults...)
	}
	if !live || len(faults) > 0 || !j.forServers() { // else they stand among what does not work
		j.warnOfKeys()
	}
	for _, w := range j.warnings {
		fmt.Fprintln(env.Stderr, w)
	}
	for _, w := range config.UnknownVariables(os.Environ()) {
		fmt.Fprintln(env.Stderr, "warning: "+w)
	}
	if len(faults) > 0 {
		return faults
	}
	if live {
		return checkLive(ctx, env, secrets, checked, j)
	}
	return nil
}

// secretsDir is the secrets folder that a checked client.yaml or server.yaml names, else the default one.
func secretsDir(files []string) string {
	for _, f := range append(config.Named(files, config.KindClient), config.Named(files, config.KindServer)...) {
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

// checkDeps are enough for channels to be made, not used.
func checkDeps() channel.Deps {
	return channel.Deps{
		HTTP: wire.PlatformClient(), Log: slog.New(slog.DiscardHandler), Now: time.Now, Loopback: true, Checking: true,
		Origins: wire.Origins(config.DefaultClient().Platforms, nil),
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

// plain is what an error says to people: without the name of the layer and the kind.
func plain(err error) string {
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	return err.Error()
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
