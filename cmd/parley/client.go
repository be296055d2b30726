package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/app/wire"
)

func clientCmd(env wire.Env) *cobra.Command {
	var path *string
	c := &cobra.Command{
		Use:   "client --config FILE",
		Short: "Run a client service for the tenants that FILE names",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.RunClient(c.Context(), env, *path) },
	}
	path = configFlag(c, "client.yaml")
	return c
}
