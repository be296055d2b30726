package archtest

import (
	"slices"
	"testing"
)

// TestExceptionsAreNeeded keeps rules from outliving what they were made for.
func TestExceptionsAreNeeded(t *testing.T) {
	files := loadProject(t)
	dirs := map[string]bool{}
	for _, f := range files {
		dirs[f.dir] = true
	}
	for _, list := range [][]permission{permissions, testPermissions} {
		for _, p := range list {
			if p.why == "" {
				t.Errorf("the permission %s → %s has no reason", p.from, p.to)
			}
			used := slices.ContainsFunc(files, func(f file) bool {
				own, _ := f.imports()
				return slices.ContainsFunc(own, func(to string) bool { return p.permits(f.dir, to) })
			})
			if !used {
				t.Errorf("nothing uses the permission %s → %s", p.from, p.to)
			}
		}
	}
	for _, suite := range suites {
		if !dirs[suite] {
			t.Errorf("there is no suite %s", suite)
		}
	}
}
