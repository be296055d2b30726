package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"parley/test/rig"
)

// startConsole starts the operators' console with a login for one operator.
func (s *stage) startConsole(ctx context.Context) (err error) {
	s.password = rand.Text()
	hash, err := s.rig.ParleyWith(ctx, nil, strings.NewReader(s.password+"\n"), "console", "hash")
	if err != nil {
		return fmt.Errorf("console hash: %w: %s", err, hash)
	}
	if err = os.WriteFile(filepath.Join(s.rig.Dir, "secrets", "operator"), []byte(strings.TrimSpace(hash)+"\n"), 0o600); err != nil {
		return err
	}
	s.console, err = s.rig.StartNode(ctx, "console", "console", nil, func(addr, ops string) string {
		return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: {addrs: [%q]}\nsecrets: {dir: %q}\nusers: [{name: li, role: operator, password: file:operator}]\n",
			addr, ops, s.rig.Redis.Addr, filepath.Join(s.rig.Dir, "secrets")) + s.rig.Live()
	})
	return err
}

// click does one thing in the console, in a real browser; what it saw goes to the pictures' folder.
func (s *stage) click(ctx context.Context, what string) (string, error) {
	root, err := rig.Root(ctx)
	if err != nil {
		return "", err
	}
	if err := s.browser(ctx, root); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "node", "day.mjs", "--url", "http://"+s.console.Addr, "--do", what, "--shots", s.plan.shots)
	cmd.Dir = filepath.Join(root, "test", "browser")
	cmd.Env = append(os.Environ(), "PARLEY_CONSOLE_PASSWORD="+s.password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s in the console: %w\n%s", what, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// browser gets what drives the browser, once.
func (s *stage) browser(ctx context.Context, root string) error {
	if s.driven {
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--silent")
	cmd.Dir = filepath.Join(root, "test", "browser")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install in test/browser: %w\n%s", err, out)
	}
	s.driven = true
	return nil
}
