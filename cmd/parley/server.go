package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/app/wire"
)

func serverCmd(env wire.Env) *cobra.Command {
	var path *string
	c := &cobra.Command{
		Use:   "server --config FILE",
		Short: "Run one stateless server instance",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.RunServer(c.Context(), env, *path) },
	}
	path = configFlag(c, "server.yaml")
	return c
}
