package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine is what the figures were measured on and with.
type machine struct {
	Cores  int    `json:"cores"`
	Load   string `json:"load_average_before"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	Nacos  string `json:"nacos"`
}

func thisMachine(ctx context.Context) machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	load, _ := os.ReadFile("/proc/loadavg")
	words := strings.Fields(string(load))
	m.Load = strings.Join(words[:min(3, len(words))], " ")
	git := func(args ...string) string {
		out, _ := exec.CommandContext(ctx, "git", args...).Output()
		return strings.TrimSpace(string(out))
	}
	if m.Commit = git("rev-parse", "--short=12", "HEAD"); git("status", "--porcelain", "--untracked-files=no") != "" {
		m.Commit += " with changes"
	}
	return m
}
