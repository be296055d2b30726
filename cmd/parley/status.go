package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app"
)

func statusCmd(env app.Env) *cobra.Command {
	var path *string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status --config FILE",
		Short: "Show servers and, with a client.yaml, clients: revisions in force, turns in flight, waiting, dead letters",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.Status(c.Context(), env, *path, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}
