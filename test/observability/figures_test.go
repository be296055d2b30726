package observability

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/test/observability/dashboards/render"
)

// panel is one of a dashboard, as Grafana has it.
type panel struct {
	Title   string `json:"title"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

// asked are the expressions of all rules and panels, by where they stand.
func asked(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range rules(t) {
		all["rule "+r.Alert+r.Record] = r.Expr
	}
	for _, path := range glob(t, "dashboards/*.json") {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Panels []panel `json:"panels"`
		}
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, p := range d.Panels {
			for i, q := range p.Targets {
				all[filepath.Base(path)+", "+p.Title+string(rune('A'+i))] = strings.ReplaceAll(q.Expr, "$tenant", ".*")
			}
		}
	}
	return all
}

// TestDashboardsAreRendered: the JSON is what the short form gives.
func TestDashboardsAreRendered(t *testing.T) {
	for _, path := range glob(t, "dashboards/*.yaml") {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := render.Dashboard(source)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".json"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its JSON says: go run ./test/observability/dashboards (%v)", path, err)
		}
	}
}

// rare are figures that the faults of this stage need not bring about. They are registered under that name all the same.
var rare = []string{"parley_shows_total", "parley_pace_wait_seconds_total", "parley_caps_reached_total", "parley_llm_retries_refused_total"}

// figures holds every rule and panel to what Prometheus has seen of real processes: it takes the expression, and each figure and label in it exists.
func (s *stage) figures() {
	var names, labels []string
	s.must(s.prom.Ask(s.ctx, "label/__name__/values", nil, &names))
	s.must(s.prom.Ask(s.ctx, "labels", nil, &labels))
	registered := registrations(s.T)
	for where, expr := range asked(s.T) {
		var any json.RawMessage
		if err := s.prom.Ask(s.ctx, "query", map[string][]string{"query": {expr}}, &any); err != nil {
			s.Errorf("%s: Prometheus does not take it: %v", where, err)
		}
		figures, of := reads(expr)
		for _, f := range figures {
			if !slices.Contains(names, f) && (!slices.Contains(rare, f) || !registered[f]) {
				s.Errorf("%s: no process tells %s", where, f)
			}
		}
		for _, l := range of {
			if !slices.Contains(labels, l) && !slices.ContainsFunc(figures, func(f string) bool { return slices.Contains(rare, f) }) {
				s.Errorf("%s: nothing has the label %s", where, l)
			}
		}
	}
}

var registration = regexp.MustCompile(`"(parley_\w+)"`)

// registrations are the names of figures in the source.
func registrations(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("../../internal", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		for _, m := range registration.FindAllSubmatch(content, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
