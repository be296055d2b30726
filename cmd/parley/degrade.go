package main

import (
	"errors"

	"github.com/spf13/cobra"

	"parley/internal/app"
)

func degradeCmd(env app.Env) *cobra.Command {
	var path *string
	var o app.DegradeOptions
	c := &cobra.Command{
		Use:   "degrade --config FILE --to PROVIDER[/MODEL]",
		Short: "Switch turns to another provider on every server, until restored",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case o.To == "":
				return usageError{errors.New("--to PROVIDER[/MODEL] is missing"), c.UsageString()}
			case o.For < 0:
				return usageError{errors.New("--for must be a time to come, like 2h"), c.UsageString()}
			}
			return app.Degrade(c.Context(), env, *path, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.To, "to", "", "where turns go: PROVIDER, or PROVIDER/MODEL")
	f.StringVar(&o.ID, "id", "", "the switch's name (default: made from its scope; \"all\" without one)")
	f.StringArrayVar(&o.Tenants, "tenant", nil, "only this tenant's turns (repeatable; default: every tenant's)")
	f.StringArrayVar(&o.Providers, "provider", nil, "only turns that would use this provider (repeatable; default: all)")
	f.StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	f.DurationVar(&o.For, "for", 0, "restore by itself after this time, like 2h (default: until restored)")
	f.BoolVar(&o.Drill, "drill", false, "show what would happen, change nothing")
	f.BoolVar(&o.Force, "force", false, "also when a tenant in the scope does not allow the provider")
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}

func restoreCmd(env app.Env) *cobra.Command {
	var path *string
	c := &cobra.Command{
		Use:   "restore --config FILE [ID]...",
		Short: "Switch degradation off: the named switches, or all",
		Args:  cobra.ArbitraryArgs,
		RunE:  func(c *cobra.Command, ids []string) error { return app.Restore(c.Context(), env, *path, ids) },
	}
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}
