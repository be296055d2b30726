package observability

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	need(t, "promtool")
	if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
	}
}

func TestRulesAreValid(t *testing.T) {
	promtool(t, append([]string{"check", "rules"}, glob(t, "rules/*.yaml")...)...)
	promtool(t, "check", "config", filepath.Join(root, "prometheus.yml"))
}

// TestRulesJudgeFigures runs the rules' own unit tests: fed figures, each alert fires for what it is meant for and nothing else.
func TestRulesJudgeFigures(t *testing.T) {
	promtool(t, append([]string{"test", "rules"}, glob(t, "rules/tests/*.yaml")...)...)
}

var (
	han      = regexp.MustCompile(`\p{Han}`)
	variable = regexp.MustCompile(`\$(labels\.\w+|value)`)
)

// TestAlertsTellWhatToDo: whoever is woken reads a summary in either language and finds a page with the parts that count at night.
func TestAlertsTellWhatToDo(t *testing.T) {
	pages, tested := map[string]bool{}, map[string]bool{}
	for _, p := range glob(t, "runbooks/*.md") {
		pages[strings.TrimSuffix(filepath.Base(p), ".md")] = true
	}
	for _, p := range glob(t, "rules/tests/*.yaml") {
		var f struct {
			Tests []struct {
				Name  string `yaml:"name"`
				Exprs []struct {
					Samples []any `yaml:"exp_samples"`
				} `yaml:"promql_expr_test"`
			} `yaml:"tests"`
		}
		read(t, p, &f)
		for _, x := range f.Tests {
			for _, e := range x.Exprs {
				tested[x.Name] = tested[x.Name] || len(e.Samples) > 0
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if seen[r.Alert] {
			t.Errorf("%s: there are two", r.Alert)
		}
		seen[r.Alert] = true
		a := r.Annotations
		page := "deploy/observability/runbooks/" + r.Alert + ".md"
		switch {
		case !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]):
			t.Errorf("%s: severity %q is neither page nor ticket", r.Alert, r.Labels["severity"])
		case a["summary"] == "" || a["description"] == "" || !han.MatchString(a["summary_zh"]):
			t.Errorf("%s: it lacks a summary, one in Chinese, or a description", r.Alert)
		case a["runbook_url"] != page || !pages[r.Alert]:
			t.Errorf("%s: its page is %q, want %s, which must be there", r.Alert, a["runbook_url"], page)
		case !tested[r.Alert]:
			t.Errorf("%s: no unit test in rules/tests makes it fire", r.Alert)
		}
		if en, zh := variables(a["summary"]), variables(a["summary_zh"]); !slices.Equal(en, zh) {
			t.Errorf("%s: the summaries name different things: %v and %v", r.Alert, en, zh)
		}
	}
	for p := range pages {
		if !seen[p] {
			t.Errorf("runbooks/%s.md is for no alert", p)
		}
		content, err := os.ReadFile(filepath.Join(root, "runbooks", p+".md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"# " + p + "\n", "\n## What it means for people\n", "\n## Confirm\n", "\n## Do\n", "\n## When to be calm\n"} {
			if !strings.Contains(string(content), part) {
				t.Errorf("runbooks/%s.md has no part %q", p, strings.TrimSpace(part))
			}
		}
	}
}

// variables are what a text fills in, once each, in order of their names.
func variables(text string) []string {
	list := variable.FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}
