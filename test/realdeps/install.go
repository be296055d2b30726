package realdeps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Need makes sure that command can be run: if it is missing, it installs the Debian package that has it, as root only. Programs that
// need at once take turns.
func Need(ctx context.Context, command, debian string) error {
	if _, err := exec.LookPath(command); err == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("%s is not installed: install it (Debian: apt-get install %s) and try again", command, debian)
	}
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(dir, "apt.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := exec.LookPath(command); err == nil {
		return nil // whoever had the lock before installed it
	}
	fmt.Fprintf(os.Stderr, "realdeps: installing %s, which has %s\n", debian, command)
	return install(ctx, debian)
}

func install(ctx context.Context, debian string) error {
	// A policy of 101 keeps a package from starting a service of its own.
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case err == nil:
		defer os.Remove(policy)
		_, werr := f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(werr, f.Close()); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrExist):
		return err
	}
	if err := loud(ctx, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	return loud(ctx, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", debian)
}

// loud runs a command and adds its output to the error.
func loud(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}

// cacheDir is where downloads are kept: PARLEY_CACHE, else parley in the user's cache folder.
func cacheDir() (string, error) {
	dir := os.Getenv("PARLEY_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for downloads: %w; set PARLEY_CACHE", err)
		}
		dir = filepath.Join(base, "parley")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// lock waits for a lock between processes; the system releases it when its holder dies.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
