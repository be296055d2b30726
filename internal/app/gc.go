package app

import (
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// gcPercent lets the heap grow to three times what is in use before it is collected: turns that wait are all in use and have to be looked
	// at each time, which with Go's own 100 was a third of a client's CPU at 20,000 of them.
	gcPercent = 200
	// memoryShare of the container's memory is where the collector begins to work harder, so that what the heap may grow by kills nothing.
	memoryShare = 0.9
)

// tuneGC sets how the collector works. The standard variables GOGC and GOMEMLIMIT win.
func tuneGC(log *slog.Logger) {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		if most, ok := memoryLimit(os.DirFS("/")); ok {
			debug.SetMemoryLimit(int64(float64(most) * memoryShare))
			log.Info("the container's memory bounds the heap", "limit_bytes", most, "share", memoryShare)
		}
	}
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
		kind, group, found := strings.Cut(strings.TrimSpace(line), ":")
		if kind, group, found = strings.Cut(group, ":"); !found {
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
