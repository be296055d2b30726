package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/test/alarms"
	"parley/test/rig"
)

// pageAfter makes minutes seconds: a day has no time to wait for five.
var pageAfter = alarms.Pace{By: 30, Most: 8 * time.Second, Oldest: 20}

// startAlarms has a real Prometheus watch everything by the project's rules.
func (s *stage) startAlarms(ctx context.Context) error {
	root, err := rig.Root(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.rig.Dir, "prometheus")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	s.alarms, err = alarms.Start(ctx, root, dir, pageAfter, s.targets())
	return err
}

func (s *stage) targets() map[string][]string {
	out := map[string][]string{"client": {}, "server": {}, "console": {s.console.Ops}}
	for _, n := range s.clients {
		out["client"] = append(out["client"], n.Ops)
	}
	for _, n := range s.servers {
		out["server"] = append(out["server"], n.Ops)
	}
	return out
}

// watchThem tells Prometheus who runs now, as its operator's service discovery does.
func (s *stage) watchThem() error {
	for role, addrs := range s.targets() {
		if err := s.alarms.Watch(role, addrs); err != nil {
			return err
		}
	}
	return nil
}

// fires waits until an alert fires.
func (s *stage) fires(ctx context.Context, alert string, within time.Duration) (time.Duration, error) {
	began := time.Now()
	err := s.eventually(ctx, within, func() error {
		now, err := s.alarms.Firing(ctx)
		if _, ok := now[alert]; !ok && err == nil {
			err = fmt.Errorf("%s does not fire; %s do", alert, strings.Join(slices.Sorted(maps.Keys(now)), ", "))
		}
		return err
	})
	return time.Since(began), err
}

// quiet waits until no alert fires but those named.
func (s *stage) quiet(ctx context.Context, within time.Duration, but ...string) (time.Duration, error) {
	began := time.Now()
	err := s.eventually(ctx, within, func() error {
		now, err := s.alarms.Firing(ctx)
		for _, name := range but {
			delete(now, name)
		}
		if len(now) > 0 {
			err = fmt.Errorf("%v fire", now)
		}
		return err
	})
	return time.Since(began), err
}
