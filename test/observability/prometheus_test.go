package observability

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/test/alarms"
)

// prometheus is a real one with the project's configuration and rules, whose times are made shorter.
type prometheus struct{ *alarms.Prometheus }

func startPrometheus(ctx context.Context, t *testing.T, p alarms.Pace, targets map[string][]string) *prometheus {
	t.Helper()
	need(t, "prometheus")
	w, err := alarms.Start(ctx, filepath.Join(root, "..", ".."), t.TempDir(), p, targets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return &prometheus{w}
}

// watch looks at the alerts until all of want have fired, or, without any, until none but those allowed does; it gives every one that it saw.
func (p *prometheus) watch(ctx context.Context, t *testing.T, what string, within time.Duration, want, allowed []string) map[string]string {
	t.Helper()
	seen, began := map[string]string{}, time.Now()
	for {
		now, err := p.Firing(ctx)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var open []string
		for name, summary := range now {
			if _, ok := seen[name]; !ok {
				t.Logf("%s: after %.0f s %s: %s", what, time.Since(began).Seconds(), name, summary)
			}
			seen[name] = summary
			if len(want) == 0 && !slices.Contains(allowed, name) {
				open = append(open, name+" ("+summary+")")
			}
		}
		for _, name := range want {
			if _, ok := seen[name]; !ok {
				open = append(open, name)
			}
		}
		if len(open) == 0 {
			t.Logf("%s: done after %.0f s", what, time.Since(began).Seconds())
			return seen
		}
		if time.Since(began) > within {
			slices.Sort(open)
			verb := "have not fired"
			if len(want) == 0 {
				verb = "still fire"
			}
			t.Errorf("%s: after %s these %s: %s", what, within, verb, strings.Join(open, ", "))
			return seen
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
}
