package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func statusCmd(env wire.Env) *cobra.Command {
	var path *string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status --config FILE",
		Short: "Show servers and, with a client.yaml, clients: revisions in force, turns in flight, waiting, dead letters",
		Long: `Show servers and, with a client.yaml, clients: revisions in force, turns in flight, waiting, dead letters.

Exit status: 0 if everybody that was asked could be asked, also with servers that do not answer or documents that are refused, which are
listed; 1 if the registry, the live documents or Redis did not answer, which are named as not known; 2 for wrong usage.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return operate.Status(c.Context(), env, *path, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}
