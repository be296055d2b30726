package main

import (
	"context"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func drainCmd(env wire.Env) *cobra.Command {
	c, o := weighCmd(env, "drain", "Take a server out of use: it gets no new turns, and goes on with those that it has", operate.Drain)
	c.Flags().BoolVar(&o.Force, "force", false, "also if no other server would take turns")
	return c
}

func undrainCmd(env wire.Env) *cobra.Command {
	c, o := weighCmd(env, "undrain", "Bring a server back that was drained, or disabled in Nacos' console", operate.Undrain)
	c.Flags().Float64Var(&o.Weight, "weight", 1, "its share of turns beside servers of weight 1")
	return c
}

func weighCmd(env wire.Env, name, short string, do func(context.Context, wire.Env, string, operate.DrainOptions) error) (*cobra.Command, *operate.DrainOptions) {
	var path *string
	var o operate.DrainOptions
	c := &cobra.Command{
		Use:   name + " --config FILE SERVER",
		Short: short,
		Long: short + `.

SERVER is host:port as "parley status" lists it. It is a change of the server's weight in Nacos, which clients hear within 2 s; registry mode direct has
no weights. Exit status: 0 done; 1 refused or failed; 2 wrong usage.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Server = args[0]
			return do(c.Context(), env, *path, o)
		},
	}
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	path = configFlag(c, "client.yaml, server.yaml or console.yaml")
	return c, &o
}
