// Command parley lets people talk to language models from the chat tools they already use. See the README for its roles.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"parley/internal/app/wire"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program; its result is the exit status: 0 done, 1 failed, 2 wrong usage or faulty configuration.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	root := newRoot(wire.Env{Stdout: stdout, Stderr: stderr, Version: version()})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "parley:", err)
	if u, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "\n%s", u.usage)
		return 2
	}
	return wire.ExitCode(err)
}

// usageError is a wrong command line.
type usageError struct {
	error
	usage string
}

func newRoot(env wire.Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "parley",
		Short:         "Let people talk to language models from WeCom, DingTalk, Feishu, a web page or programs of their own",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{errors.New("a command is missing"), c.UsageString()}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.Version = env.Version
	root.SetVersionTemplate("parley {{.Version}}\n")
	root.AddCommand(
		devCmd(env), clientCmd(env), serverCmd(env), consoleCmd(env),
		degradeCmd(env), restoreCmd(env), statusCmd(env), drainCmd(env), undrainCmd(env),
		deadCmd(env), retryCmd(env), dropCmd(env), auditCmd(env), exportCmd(env), usageCmd(env),
		checkCmd(env), sealCmd(env), versionCmd(env),
	)
	for _, c := range append(root.Commands(), root) {
		c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError{err, c.UsageString()} })
		if args := c.Args; args != nil {
			c.Args = func(c *cobra.Command, a []string) error {
				if err := args(c, a); err != nil {
					return usageError{err, c.UsageString()}
				}
				return nil
			}
		}
	}
	return root
}

// configFlag adds the required --config to a command.
func configFlag(c *cobra.Command, what string) *string {
	path := c.Flags().String("config", "", what)
	inner := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if *path == "" {
			return usageError{errors.New("--config FILE is missing"), c.UsageString()}
		}
		return inner(c, args)
	}
	return path
}
