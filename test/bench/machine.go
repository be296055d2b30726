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
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Load   string `json:"load_average_before"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	Redis  string `json:"redis"`
	Nacos  string `json:"nacos"`
}

func thisMachine(ctx context.Context) machine {
	m := machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: said(ctx, "uname", "-sr"), Load: first("/proc/loadavg", 3), Go: runtime.Version(),
		Commit: said(ctx, "git", "rev-parse", "--short=12", "HEAD"), Redis: said(ctx, "redis-server", "--version"),
	}
	if said(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		m.Commit += " with changes"
	}
	if words := strings.Fields(m.Redis); len(words) > 2 {
		m.Redis = strings.TrimPrefix(words[2], "v=") + ", appendfsync always"
	}
	return m
}

// field is a value of a "name: value" file; what cannot be read is empty.
func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(line, ":"); strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func first(file string, n int) string {
	b, _ := os.ReadFile(file)
	words := strings.Fields(string(b))
	return strings.Join(words[:min(n, len(words))], " ")
}

func said(ctx context.Context, name string, args ...string) string {
	out, _ := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(out))
}
