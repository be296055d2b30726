package app

import (
	"context"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

const (
	// heapRoom is by how much the heap may grow before it is collected, however small it is; but it never grows to more than five times what is in
	// use. A process with few turns in flight collected ten times a second with Go's own rule, a tenth of its CPU.
	heapRoom = 128 << 20
	// A large heap may double: with more, each turn in flight would cost more memory than it holds.
	leastPercent, mostPercent = 100, 400
	gcLook                    = time.Second
	// memoryShare of the container's memory is where the collector begins to work harder, so that what the heap may grow by kills nothing.
	memoryShare = 0.9
)

// tuneGC sets how the collector works, until ctx ends. The standard variables GOGC and GOMEMLIMIT win.
func tuneGC(ctx context.Context, log *slog.Logger) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		if most, ok := memoryLimit(os.DirFS("/")); ok {
			debug.SetMemoryLimit(int64(float64(most) * memoryShare))
			log.Info("the container's memory bounds the heap", "limit_bytes", most, "share", memoryShare)
		}
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		go roomGC(ctx)
	}
}

// roomGC keeps GOGC at what gives the heap its room.
func roomGC(ctx context.Context) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	tick := time.NewTicker(gcLook)
	defer tick.Stop()
	for now := leastPercent; ; {
		metrics.Read(live)
		if p := gcPercent(live[0].Value.Uint64() + live[1].Value.Uint64()); p != now {
			now = p
			debug.SetGCPercent(p)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gcPercent is GOGC for a heap of which so much is in use, in steps of 50: each change stops the world for a moment.
func gcPercent(live uint64) int {
	return int(min(mostPercent, max(leastPercent, heapRoom*100/max(live, 1)/50*50)))
}

// memoryLimit is the least limit of memory of this process's control group (of either version) and those above it; false: there is none.
func memoryLimit(root fs.FS) (least uint64, ok bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	least = math.MaxInt64 / 2 // version 1 writes about twice that for none
	for line := range strings.Lines(string(groups)) {
		dir, file := "sys/fs/cgroup", "memory.max"
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		kind, group, found := strings.Cut(rest, ":")
		if !found {
			continue
		}
		if kind == "memory" {
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if kind != "" {
			continue
		}
		for at := path.Clean("/" + group); ; at = path.Dir(at) {
			if n, err := readNumber(root, path.Join(dir, at, file)); err == nil && n > 0 && n < least {
				least, ok = n, true
			}
			if at == "/" {
				break
			}
		}
	}
	return least, ok
}

func readNumber(root fs.FS, name string) (uint64, error) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64) // version 2 says max for none
}
