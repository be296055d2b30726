package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	requirement   = regexp.MustCompile(`(?m)^\s*(?:require )?([\w./-]+\.[\w./-]+) (v\S+)`)
	dependencyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v\\S+) \\| \\S")
)

// TestDependenciesAreExplained holds docs/dependencies.md to what the code imports, at the versions of go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	versions := map[string]string{}
	for _, m := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		versions[m[1]] = m[2]
	}
	want := map[string]string{}
	for _, f := range loadProject(t) {
		_, outside := f.imports()
		for _, imported := range outside {
			if m := moduleOf(imported, versions); m != "" {
				want[m] = versions[m]
			}
		}
	}
	got := map[string]string{}
	for _, m := range dependencyRow.FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		got[m[1]] = m[2]
	}
	if !maps.Equal(want, got) {
		t.Errorf("docs/dependencies.md lists other modules than the code imports (-code +page):\n%s", cmp.Diff(want, got))
	}
}

// moduleOf is the module of an import path; empty for the standard library.
func moduleOf(imported string, versions map[string]string) (module string) {
	for m := range versions {
		if (imported == m || strings.HasPrefix(imported, m+"/")) && len(m) > len(module) {
			module = m
		}
	}
	return module
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(projectRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
