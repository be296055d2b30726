package observability

import (
	"os"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"

	"parley/test/realdeps"
)

// root is what is installed.
const root = "../../deploy/observability"

// rule is one of a rule file, as Prometheus reads it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

// rules reads all rules.
func rules(t *testing.T) (list []rule) {
	t.Helper()
	for _, path := range glob(t, "rules/*.yaml") {
		var f ruleFile
		read(t, path, &f)
		for _, g := range f.Groups {
			list = append(list, g.Rules...)
		}
	}
	return list
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	return paths
}

// read decodes a YAML file, of which JSON is one.
func read(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// need installs a program of Debian's package prometheus where it may; a test without it is skipped loudly, and fails where CI is true.
func need(t *testing.T, program string) {
	t.Helper()
	err := realdeps.Need(t.Context(), program, "prometheus")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip("RULES ARE NOT TESTED: ", err)
	}
}
