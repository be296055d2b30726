package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func degradeCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.DegradeOptions
	c := &cobra.Command{
		Use:   "degrade --config FILE --to PROVIDER[/MODEL]",
		Short: "Switch turns to another provider on every server, until restored",
		Long: `Switch turns to another provider on every server, until restored.

It first shows what would move and asks every server whether the provider can carry it: keys, breaker, concurrency, what tenants allow.
Whatever speaks against it is listed with how to mend it, and nothing is changed; --force goes on nevertheless, --drill only shows.
Exit status: 0 done, or a drill was shown whatever it found; 1 refused or failed; 2 wrong usage.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(zeroTime(c, "for", "ramp"), degradeUsage(o)); err != nil {
				return usageError{err, c.UsageString()}
			}
			return operate.Degrade(c.Context(), env, *path, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.To, "to", "", "where turns go: PROVIDER, or PROVIDER/MODEL")
	f.StringVar(&o.ID, "id", "", "the switch's name (default: made from its scope; \"all\" without one)")
	f.StringArrayVar(&o.Tenants, "tenant", nil, "only this tenant's turns (repeatable; default: every tenant's)")
	f.StringArrayVar(&o.Providers, "provider", nil, "only turns that would use this provider (repeatable; default: all)")
	f.StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	f.DurationVar(&o.For, "for", 0, "restore by itself after this time, like 2h (default: until restored)")
	f.DurationVar(&o.Ramp, "ramp", 0, "with --for: turns return by share in the last part of it, like 15m (default: all at the end)")
	f.BoolVar(&o.Drill, "drill", false, "show what would happen, change nothing; exit status 0 even if it would be refused")
	f.BoolVar(&o.Force, "force", false, "go on in spite of what speaks against it")
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}

func degradeUsage(o operate.DegradeOptions) error {
	switch {
	case o.To == "":
		return errors.New("--to PROVIDER[/MODEL] is missing")
	case o.For < 0:
		return errors.New("--for must be a time to come, like 2h")
	case o.Ramp != 0 && o.For == 0:
		return errors.New("--ramp needs --for: turns return in the last part of it")
	case o.Ramp > o.For:
		return errors.New("--ramp must not be longer than --for")
	}
	if err := o.Check(); err != nil {
		return err
	}
	return rampUsage(o.Ramp)
}

// zeroTime refuses a time of 0 that was written out: the flag left out means something else than an end at once.
func zeroTime(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "0s" {
			return fmt.Errorf("--%s must be a time to come, like 15m; leave it out for: %s", name, f.Usage[strings.LastIndex(f.Usage, "default: ")+9:len(f.Usage)-1])
		}
	}
	return nil
}

// rampUsage judges --ramp; 0 is none.
func rampUsage(ramp time.Duration) error {
	const most = 24 * time.Hour
	if ramp != 0 && (ramp < time.Second || ramp > most) {
		return errors.New("--ramp must be a time from 1s to 24h, like 15m")
	}
	return nil
}

func restoreCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.RestoreOptions
	c := &cobra.Command{
		Use:   "restore --config FILE [--ramp 15m] [ID]...",
		Short: "Switch degradation off, at once or by share: the named switches, or all",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, ids []string) error {
			if err := errors.Join(zeroTime(c, "ramp"), rampUsage(o.Ramp)); err != nil {
				return usageError{err, c.UsageString()}
			}
			o.IDs = ids
			return operate.Restore(c.Context(), env, *path, o)
		},
	}
	c.Flags().DurationVar(&o.Ramp, "ramp", 0, "let turns return by share within this time, like 15m (default: all at once)")
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}
