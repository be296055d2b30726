package figures

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Run says what was run, on what, with what and when; a report embeds it. What cannot be found out is empty.
type Run struct {
	Command string    `json:"command"` // the arguments
	Began   time.Time `json:"began"`
	Took    float64   `json:"took_seconds"`
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	Memory  string    `json:"memory"`
	Kernel  string    `json:"kernel"`
	Load    string    `json:"load_average_before"`
	Go      string    `json:"go"`
	Commit  string    `json:"commit"`
	Redis   string    `json:"redis"`
	Nacos   string    `json:"nacos"` // to be filled in by who has one
}

// Begin looks at the machine before anything runs on it.
func Begin(ctx context.Context) Run {
	r := Run{
		Command: strings.Join(os.Args[1:], " "), Began: time.Now().UTC().Truncate(time.Second),
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: said(ctx, "uname", "-sr"), Load: first("/proc/loadavg", 3), Go: runtime.Version(),
		Commit: said(ctx, "git", "rev-parse", "--short=12", "HEAD"), Redis: said(ctx, "redis-server", "--version"),
	}
	if said(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		r.Commit += " with changes"
	}
	if words := strings.Fields(r.Redis); len(words) > 2 {
		r.Redis = strings.TrimPrefix(words[2], "v=") + ", appendfsync always"
	}
	return r
}

// End notes how long it took.
func (r *Run) End() { r.Took = time.Since(r.Began).Seconds() }

// Head begins a sheet.
func (r *Run) Head(s *Sheet, program string) {
	s.Titlef("Parley %s: go run ./test/%s %s", r.Commit, program, r.Command)
	s.Row("machine", "%d × %s, %s, %s, load average before %s", r.Cores, r.CPU, r.Memory, r.Kernel, r.Load)
	s.Row("with", "%s; Redis %s; Nacos %s; all of it and the load on these cores", r.Go, r.Redis, r.Nacos)
	s.Row("when", "%s, %.0f s in all", r.Began.Format(time.RFC3339), r.Took)
}

// field is a value of a "name: value" file.
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
