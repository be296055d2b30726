package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const projectRoot = "../.."

func loadProject(t *testing.T) []file {
	t.Helper()
	files, err := load(projectRoot)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTree(t *testing.T) {
	files := loadProject(t)
	if len(files) < 20 {
		t.Fatalf("found only %d Go files: is this the project's root?", len(files))
	}
	for _, fault := range check(files) {
		t.Error(fault)
	}
	for _, f := range files {
		if !f.generated && f.lines > wantLines {
			t.Logf("%s has %d lines, over %d", f.path(), f.lines, wantLines)
		}
	}
}

// TestModulePath keeps the checks from passing because nothing looks like the project's own imports any more.
func TestModulePath(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(projectRoot, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(mod), "\n"); first != "module "+module {
		t.Errorf("go.mod begins with %q; the checks look for module %s", first, module)
	}
}

// TestAllowedStateExists keeps exceptions from outliving the variables that they were made for.
func TestAllowedStateExists(t *testing.T) {
	files := loadProject(t)
	for _, g := range globals {
		declared := slices.ContainsFunc(files, func(f file) bool {
			_, ok := declaredState(f, nil)[g.name]
			return ok && f.dir == g.dir
		})
		if !declared || g.why == "" {
			t.Errorf("the allowed variable %s of %s: it is gone, or has no reason", g.name, g.dir)
		}
	}
}

func TestEveryFuzzTargetIsRun(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "scripts/fuzz", "list")
	cmd.Dir, cmd.Stderr = projectRoot, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	slices.Sort(listed)
	want := fuzzTargets(loadProject(t))
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("make fuzz runs other targets than there are (-there, +run):\n%s", diff)
	}
}
