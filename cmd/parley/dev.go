package main

import (
	"github.com/spf13/cobra"

	"parley/internal/app"
	"parley/internal/app/wire"
)

func devCmd(env wire.Env) *cobra.Command {
	var o app.DevOptions
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run everything embedded in one process and print the web address",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return app.RunDev(c.Context(), env, o) },
	}
	c.Flags().StringVar(&o.HTTP, "http", "127.0.0.1:8080", "address of the web page")
	c.Flags().StringVar(&o.Config, "config", "", "a client.yaml whose settings replace the embedded ones")
	return c
}
