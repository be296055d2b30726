package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func auditCmd(env wire.Env) *cobra.Command {
	var path *string
	var o operate.AuditOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "audit --config FILE",
		Short: "Show who changed what, when and why, and verify that the log is as it was written",
		Long: `Show who changed what, when and why, and verify that the log is as it was written.

Entries are a chain of hashes in Redis, kept for audit.keep of client.yaml. The whole log is verified, whatever is shown. Whoever can write to Redis
could write all of it anew: each entry was also written to stderr by whoever made it, with its seq and hash, and --anchor compares with one of those.
Exit status: 0 as it was written; 1 not, or Redis cannot be read; 2 wrong usage.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usageError{err, c.UsageString()}
			}
			return operate.Audit(c.Context(), env, *path, o, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Tenant, "tenant", "", "what this tenant's people had done (/forget), instead of what operators did")
	f.DurationVar(&o.Since, "since", 0, "show only entries so young, like 24h")
	f.StringVar(&o.Anchor, "anchor", "", "SEQ:HASH of an entry, as an audit line of a process's log has them")
	f.BoolVar(&asJSON, "json", false, "print JSON, a line for each entry")
	path = configFlag(c, "client.yaml")
	return c
}
