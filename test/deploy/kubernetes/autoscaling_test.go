package kubernetes

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// adapter is deploy/kubernetes/autoscaling/adapter.yaml.
type adapter struct {
	Rules struct {
		Default  bool `json:"default"`
		External []struct {
			SeriesQuery string `json:"seriesQuery"`
			Resources   any    `json:"resources"`
			Name        struct {
				As string `json:"as"`
			} `json:"name"`
			MetricsQuery string `json:"metricsQuery"`
		} `json:"external"`
	} `json:"rules"`
}

func readAdapter(t *testing.T) (a adapter) {
	t.Helper()
	raw, err := os.ReadFile(root + "/deploy/kubernetes/autoscaling/adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(raw, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

var metric = regexp.MustCompile(`\bparley_[a-z0-9_]+`)

// TestScalersAskForMetricsThatExist follows each scaler's metric to the adapter's rule, and each name there to the product's source.
func TestScalersAskForMetricsThatExist(t *testing.T) {
	made := map[string]bool{}
	for _, name := range productMetrics(t) {
		made[name] = true
	}
	offered := map[string]bool{}
	for _, rule := range readAdapter(t).Rules.External {
		offered[rule.Name.As] = true
		for _, name := range metric.FindAllString(rule.SeriesQuery+rule.MetricsQuery, -1) {
			if !made[name] {
				t.Errorf("%s asks for %s, which Parley does not have", rule.Name.As, name)
			}
		}
	}
	asked := map[string]bool{}
	for _, set := range []string{"manifests", "full"} {
		for name, h := range render(t, valueSets[set]).scalers {
			for _, m := range h.Spec.Metrics {
				if m.External == nil {
					continue
				}
				asked[m.External.Metric.Name] = true
				if !offered[m.External.Metric.Name] || m.External.Metric.Selector.MatchLabels["release"] != "parley" {
					t.Errorf("%s asks for %v, which the adapter does not offer", name, m.External.Metric)
				}
			}
		}
	}
	if len(asked) != len(offered) {
		t.Errorf("offered %v, asked for %v", offered, asked)
	}
	if got := render(t, valueSets["full"]).scalers["chat-server"].Spec.Metrics[0].External.Target.AverageValue; got.Value() != 400 {
		t.Errorf("50 %% of 800 streams is %v", got)
	}
}

// productMetrics are the names that the source gives its metrics.
func productMetrics(t *testing.T) (names []string) {
	t.Helper()
	quoted := regexp.MustCompile(`"(parley_[a-z0-9_]+)"`)
	err := filepath.WalkDir(root+"/internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, m := range quoted.FindAllStringSubmatch(string(raw), -1) {
			names = append(names, m[1])
		}
		return err
	})
	if err != nil || !slices.Contains(names, "parley_turns_total") {
		t.Fatalf("no metrics found in the source: %v", err)
	}
	return names
}

// TestQueriesAnswer has Prometheus itself evaluate the adapter's queries over situations.
func TestQueriesAnswer(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed (Debian: apt-get install prometheus): the adapter's queries are NOT tested")
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, r := range readAdapter(t).Rules.External {
		rules = append(rules, rule{"asked:" + r.Name.As, strings.ReplaceAll(r.MetricsQuery, "<<.LabelMatchers>>", `namespace="parley",release="parley"`)})
	}
	dir := t.TempDir()
	raw, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "adapter", "interval": "15s", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	situations, err := os.ReadFile("testdata/situations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": raw, "situations.yaml": situations} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", "situations.yaml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
