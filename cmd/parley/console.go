package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/app/wire"
)

func consoleCmd(env wire.Env) *cobra.Command {
	var path *string
	c := &cobra.Command{
		Use:   "console --config FILE",
		Short: "Run the operators' web page: servers, switches, usage, dead letters, documents, audit",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.RunConsole(c.Context(), env, *path) },
	}
	path = configFlag(c, "console.yaml")
	c.AddCommand(&cobra.Command{
		Use:   "hash < PASSWORD",
		Short: "Print the hash of a password, for the file or variable that a user's password names in console.yaml",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.HashPassword(env, c.InOrStdin()) },
	})
	return c
}
