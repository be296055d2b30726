package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func deadCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.DeadOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "dead --config FILE",
		Short: "List messages that were given up: why, when, after how many attempts; never their text",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usageError{err, c.UsageString()}
			}
			return operate.Dead(c.Context(), env, *path, o, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	deadFlags(c, &o)
	path = configFlag(c, "client.yaml")
	return c
}

func retryCmd(env wire.Env) *cobra.Command {
	return exhumeCmd(env, "retry", "Let messages that were given up be answered after all, as new ones at the end of their conversations", operate.Retry)
}

func dropCmd(env wire.Env) *cobra.Command {
	return exhumeCmd(env, "drop", "Forget messages that were given up", operate.Drop)
}

func exhumeCmd(env wire.Env, name, short string, do func(context.Context, wire.Env, string, operate.DeadOptions) error) *cobra.Command {
	var path *string
	var o operate.DeadOptions
	var all bool
	c := &cobra.Command{
		Use:   name + " --config FILE {ID...|--all}",
		Short: short,
		Long: short + `.

IDs are those that "parley dead" lists. --tenant, --older and --for narrow the choice. What was done is printed, and recorded on stderr as a
line of JSON with who did it and why.
Exit status: 0 done, also if --all found nothing; 1 failed, or an ID was no dead letter any more; 2 wrong usage.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, ids []string) error {
			o.IDs = ids
			err := o.Check()
			if all == (len(ids) > 0) {
				err = errors.Join(errors.New("name the dead letters by ID, or choose --all"), err)
			}
			if err != nil {
				return usageError{err, c.UsageString()}
			}
			return do(c.Context(), env, *path, o)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every dead letter that the other flags leave")
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	deadFlags(c, &o)
	path = configFlag(c, "client.yaml")
	return c
}

// deadFlags are what chooses dead letters.
func deadFlags(c *cobra.Command, o *operate.DeadOptions) {
	c.Flags().StringVar(&o.Tenant, "tenant", "", "only this tenant's (default: all that the configuration and living clients name)")
	c.Flags().DurationVar(&o.Older, "older", 0, "only those given up at least this long ago, like 1h")
	c.Flags().StringVar(&o.For, "for", "", "only those given up for this reason, as listed, like attempts")
}
