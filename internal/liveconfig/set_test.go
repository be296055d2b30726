package liveconfig_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// runSet runs f in a bubble with a running Set of "tenant.".
func runSet(t *testing.T, s *source, opt liveconfig.SetOptions[string], f func(t *testing.T, ctx context.Context, set *liveconfig.Set[string])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.Prefix, opt.Source, opt.Decode = "tenant.", s, decode
		set := liveconfig.NewSet(opt)
		ctx, cancel := context.WithCancel(t.Context())
		f(t, ctx, set)
		cancel()
	})
}

func start(ctx context.Context, set *liveconfig.Set[string]) {
	go func() { _ = set.Run(ctx) }()
	synctest.Wait()
}

// pass lets the next listing happen.
func pass() {
	time.Sleep(4 * time.Second)
	synctest.Wait()
}

func TestSetLists(t *testing.T) {
	s := newSource("tenant.acme", "one", "tenant.faulty", "bad", "tenant.NO", "x", "tenant.", "x", "parley-routes", "x")
	valid := regexp.MustCompile(`^[a-z0-9-]+$`)
	reg := prometheus.NewPedanticRegistry()
	opt := liveconfig.SetOptions[string]{Valid: valid.MatchString, Metrics: liveconfig.NewMetrics(reg)}
	runSet(t, s, opt, func(t *testing.T, ctx context.Context, set *liveconfig.Set[string]) {
		type event struct{ name, value string }
		var seen []event
		set.Subscribe(func(name, value string) { seen = append(seen, event{name, value}) })
		start(ctx, set)
		if err := set.Wait(ctx); err != nil {
			t.Fatalf("one faulty document keeps the others from being served: %v", err)
		}
		check := func(step string, want map[string]string) {
			t.Helper()
			if diff := cmp.Diff(want, set.All()); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", step, diff)
			}
		}
		check("start", map[string]string{"acme": "one"})

		s.set("tenant.globex", "two")
		pass()
		check("a new tenant", map[string]string{"acme": "one", "globex": "two"})

		s.remove("tenant.acme")
		s.remove("tenant.faulty")
		pass()
		check("removed", map[string]string{"acme": "one", "globex": "two"})
		var names []string
		for _, h := range set.Health() {
			names = append(names, h.Name)
			if h.Missing != (h.Name == "tenant.acme") {
				t.Errorf("%s: missing is %v", h.Name, h.Missing)
			}
		}
		if diff := cmp.Diff([]string{"tenant.acme", "tenant.globex"}, names); diff != "" {
			t.Errorf("what never was good and is gone is forgotten (-want +got)\n%s", diff)
		}
		if got := gauges(t, reg, "tenant.faulty"); len(got) > 0 {
			t.Errorf("its metrics stay: %v", got)
		}

		s.change(func() { s.listErr = errors.New("down") })
		pass()
		check("the list fails", map[string]string{"acme": "one", "globex": "two"})
		s.change(func() { s.listErr = nil })
		s.set("tenant.acme", "three")
		pass()
		check("back", map[string]string{"acme": "three", "globex": "two"})
		if diff := cmp.Diff([]event{{"acme", "one"}, {"globex", "two"}, {"acme", "three"}}, seen, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("subscribers saw (-want +got)\n%s", diff)
		}
		if _, ok := set.Get("nobody"); ok {
			t.Error("a tenant without a document is served")
		}
		set.Refresh()
	})
}

func TestSetOfNames(t *testing.T) {
	s := newSource("tenant.acme", "one", "tenant.globex", "two")
	runSet(t, s, liveconfig.SetOptions[string]{Names: []string{"acme", "late"}}, func(t *testing.T, ctx context.Context, set *liveconfig.Set[string]) {
		start(ctx, set)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := set.Wait(short); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "tenant.late") {
			t.Errorf("got %v", err)
		}
		s.set("tenant.late", "three")
		if err := set.Wait(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(map[string]string{"acme": "one", "late": "three"}, set.All()); diff != "" {
			t.Error(diff)
		}
		if got, ok := set.Get("late"); !ok || got != "three" {
			t.Errorf("got %q, %v", got, ok)
		}
	})
}

func TestSetWaitsForTheList(t *testing.T) {
	s := newSource()
	s.listErr = errors.New("down")
	runSet(t, s, liveconfig.SetOptions[string]{}, func(t *testing.T, ctx context.Context, set *liveconfig.Set[string]) {
		start(ctx, set)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := set.Wait(short); chat.KindOf(err) != chat.Unavailable || !strings.Contains(err.Error(), "down") {
			t.Errorf("got %v", err)
		}
		s.change(func() { s.listErr = nil })
		if err := set.Wait(ctx); err != nil {
			t.Errorf("no tenant at all is a state to start with: %v", err)
		}
	})
}
