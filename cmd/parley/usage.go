package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func usageCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.SpendingOptions
	var from, to string
	var asJSON bool
	c := &cobra.Command{
		Use:   "usage --config FILE",
		Short: "Show what was spent: tokens and money by tenant and model, day, or person",
		Long: `Show what was spent: tokens and money by tenant and model, day, or person.

Tokens are as the providers reported them; those that Parley estimated, because a provider did not say, are shown apart as well. Money is by the
live document parley-prices, at the prices of each day. People are hashes. Usage is kept for 40 days.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(o.Days(from, to, time.Now()), o.Check()); err != nil {
				return usageError{err, c.UsageString()}
			}
			return operate.Usage(c.Context(), env, *path, o, asJSON)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.Tenants, "tenant", nil, "only these tenants' (default: all that the configuration and living clients name)")
	f.StringVar(&from, "from", "", "the first day, like 2026-01-31, in Beijing (default: six days before today)")
	f.StringVar(&to, "to", "", "the last day (default: today)")
	f.StringVar(&o.By, "by", operate.ByModel, "model, day, tenant or user")
	f.BoolVar(&asJSON, "json", false, "print JSON; amounts are strings")
	path = configFlag(c, "client.yaml")
	c.AddCommand(exportUsageCmd(env))
	return c
}

func exportUsageCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.RecordsOptions
	c := &cobra.Command{
		Use:   "export --config FILE --state FILE",
		Short: "Write the record of each call to a provider as a line of JSON, for your own billing",
		Long: `Write the record of each call to a provider as a line of JSON, for your own billing.

Client services keep records if client.yaml says so (records.keep). Each is written at least once over all runs with the same --state: drop what has an
"id" that you have. All records of a time together are what parley usage counts in it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usageError{err, c.UsageString()}
			}
			return operate.ExportRecords(c.Context(), env, *path, o)
		},
	}
	c.Flags().StringSliceVar(&o.Tenants, "tenant", nil, "only these tenants' (default: all that the configuration and living clients name)")
	c.Flags().StringVar(&o.State, "state", "", "file that keeps how far the export has come")
	c.Flags().BoolVar(&o.Follow, "follow", false, "go on until ended")
	path = configFlag(c, "client.yaml")
	return c
}
