package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"parley/test/rig"
)

// machine is what the figures were measured on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Load   string `json:"load_average_before"`
	Commit string `json:"commit"`
	Nacos  string `json:"nacos"`
}

func thisMachine(ctx context.Context, g *rig.Rig) machine {
	m := machine{Cores: runtime.NumCPU(), Nacos: g.Nacos.Version(ctx)}
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere it is empty
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
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
