package main

import (
	"errors"

	"github.com/spf13/cobra"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

func exportCmd(env wire.Env) *cobra.Command {
	var path *string
	c := &cobra.Command{
		Use:   "export --config FILE DIR",
		Short: "Write every live document as it is published into a folder: a backup, and a form to edit",
		Long: `Write every live document as it is published into a folder: a backup, and a form to edit.

DIR/NAME.yaml is what "live: {source: file, dir: DIR}" and deploy/publish.sh read. They hold references to secrets, and no secrets.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name the folder to write to"), c.UsageString()}
			}
			return operate.Export(c.Context(), env, *path, args[0])
		},
	}
	path = configFlag(c, "client.yaml or server.yaml")
	return c
}
