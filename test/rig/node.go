package rig

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// StartNode starts bin/parley in a role ("client" or "server") with env added to this process's, and returns once it is ready. config makes
// its YAML from the addresses that were found free for it; Live is the part that every node needs.
func (r *Rig) StartNode(ctx context.Context, role, name string, env []string, config func(addr, ops string) string) (*Node, error) {
	return r.startNode(ctx, role, name, env, func(addr, ops, _ string) string { return config(addr, ops) })
}

// Live is the YAML by which a node finds the rig's Nacos, as its registry and as the source of live documents.
func (r *Rig) Live() string { return r.live() }

// Parley runs a command of bin/parley to its end and gives what it printed on both outputs, also with an error, which is its exit status.
func (r *Rig) Parley(ctx context.Context, env []string, args ...string) (string, error) {
	return r.ParleyWith(ctx, env, nil, args...)
}

// ParleyWith is Parley with something on the command's standard input.
func (r *Rig) ParleyWith(ctx context.Context, env []string, in io.Reader, args ...string) (string, error) {
	home := filepath.Join(r.Dir, "operator")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir, cmd.Stdin = home, in
	cmd.Env = append(os.Environ(), append([]string{"HOME=" + home, "TMPDIR=" + home}, env...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Quit asks the process for the stacks of all its goroutines (SIGQUIT), which end it, and waits until it is gone.
func (p *Process) Quit() {
	p.signal(syscall.SIGQUIT)
	<-p.done
}
