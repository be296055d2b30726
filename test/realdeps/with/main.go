// Command with runs a command with a real Redis and a real Nacos of its own and ends them with it:
//
//	with go test ./...
//
// The command finds them in PARLEY_TEST_REDIS and PARLEY_TEST_NACOS (host:port on loopback); a variable that is already set is left alone
// and nothing is started for it. A server that cannot be started is reported before and after the command's output; with CI=true the
// command is not run then. The exit status is the command's.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"parley/test/realdeps"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: with COMMAND [ARGUMENT]...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// dependency is one server and the variable in which the command finds it.
type dependency struct {
	variable string
	start    func(ctx context.Context, dir string) (*realdeps.Server, error)
}

func run(ctx context.Context, command []string) int {
	dir, err := os.MkdirTemp("", "parley-deps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	var failed []error
	env := os.Environ()
	for _, d := range []dependency{
		{"PARLEY_TEST_REDIS", func(ctx context.Context, dir string) (*realdeps.Server, error) {
			return realdeps.StartRedis(ctx, realdeps.Redis{Dir: dir})
		}},
		{"PARLEY_TEST_NACOS", func(ctx context.Context, dir string) (*realdeps.Server, error) {
			return realdeps.StartNacos(ctx, realdeps.Nacos{Dir: dir})
		}},
	} {
		if os.Getenv(d.variable) != "" {
			continue
		}
		s, err := startIn(ctx, filepath.Join(dir, d.variable), d)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s is not set: %w", d.variable, err))
			continue
		}
		defer s.Stop()
		env = append(env, d.variable+"="+s.Addr)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "with: told to end before the servers were ready")
		return 1
	}
	report(failed)
	if len(failed) > 0 && os.Getenv("CI") == "true" {
		return 1
	}
	defer report(failed)
	return wait(ctx, command, env)
}

func startIn(ctx context.Context, dir string, d dependency) (*realdeps.Server, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute) // the first start downloads
	defer cancel()
	return d.start(ctx, dir)
}

func report(failed []error) {
	for _, err := range failed {
		fmt.Fprintln(os.Stderr, "\nwith: TESTS THAT NEED IT ARE NOT RUN:", err)
	}
}

// wait runs the command. When this program is told to end, the command is asked to, and the servers stop only after it.
func wait(ctx context.Context, command, env []string) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	err := cmd.Run()
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "with:", err)
	return 1
}
