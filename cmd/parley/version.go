package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"parley/internal/app/wire"
)

// stamped is set by the build with -ldflags "-X main.stamped=…".
var stamped string

func versionCmd(env wire.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.Stdout, "parley", env.Version)
			return err
		},
	}
}

// version is the stamped one, else the commit that the Go toolchain recorded.
func version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	return rev + dirty
}
