package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func checkCmd(env wire.Env) *cobra.Command {
	var live bool
	c := &cobra.Command{
		Use:   "check [--live] FILE...",
		Short: "Validate configuration files and live documents, all faults at once",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(c *cobra.Command, files []string) error { return operate.Check(c.Context(), env, files, live) },
	}
	c.Flags().BoolVar(&live, "live", false, "also ask Redis, Nacos, the platforms and the providers whether the credentials work")
	return c
}
