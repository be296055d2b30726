package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// check returns what is wrong with the tree, one line each, sorted.
func check(files []file) []string {
	var faults []string
	for _, f := range files {
		faults = append(faults, checkImports(f)...)
		faults = append(faults, checkFences(f)...)
		faults = append(faults, checkInit(f)...)
		faults = append(faults, checkSize(f)...)
	}
	faults = append(faults, checkNames(files)...)
	faults = append(faults, checkState(files)...)
	slices.Sort(faults)
	return slices.Compact(faults)
}

func checkImports(f file) (faults []string) {
	own, _ := f.imports()
	for _, to := range own {
		if !mayImport(f.dir, to, f.test || slices.Contains(suites, f.dir)) {
			faults = append(faults, fmt.Sprintf("%s imports %s: not a parent, and no rule permits it", f.path(), to))
		}
	}
	return faults
}

func mayImport(from, to string, test bool) bool {
	switch {
	case from == to && test: // a package's external tests
		return true
	case strings.HasPrefix(from, to+"/"): // a parent
		return true
	case slices.Contains(everywhere, to) && !slices.Contains(everywhere, from):
		return true
	case slices.ContainsFunc(permissions, func(p permission) bool { return p.permits(from, to) }):
		return true
	}
	return test && (slices.Contains(suites, to) ||
		slices.ContainsFunc(testPermissions, func(p permission) bool { return p.permits(from, to) }))
}

func (p permission) permits(from, to string) bool { return matches(p.from, from) && matches(p.to, to) }

func checkFences(f file) (faults []string) {
	if matches("test/...", f.dir) {
		return nil
	}
	_, outside := f.imports()
	for _, sdk := range outside {
		for _, fence := range fences {
			if (sdk == fence.sdk || strings.HasPrefix(sdk, fence.sdk+"/")) && !matchesAny(fence.rooms, f.dir) && (!f.test || !fence.tests) {
				faults = append(faults, fmt.Sprintf("%s imports %s: only %s may", f.path(), sdk, strings.Join(fence.rooms, " and ")))
			}
		}
	}
	return faults
}

func checkInit(f file) (faults []string) {
	if f.generated {
		return nil
	}
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			faults = append(faults, f.path()+" has an init function: make it a constructor that somebody calls")
		}
	}
	return faults
}

func checkSize(f file) []string {
	if f.generated || f.lines <= maxLines {
		return nil
	}
	return []string{fmt.Sprintf("%s has %d lines, over %d: split it by concern", f.path(), f.lines, maxLines)}
}

func checkNames(files []file) (faults []string) {
	for _, f := range files {
		for _, word := range strings.Split(f.dir, "/") {
			if slices.Contains(badNames, word) {
				faults = append(faults, fmt.Sprintf("%s: %q says nothing of what the folder holds", f.dir, word))
			}
		}
	}
	return faults
}

// fuzzTargets lists the fuzz functions of the tree as scripts/fuzz does.
func fuzzTargets(files []file) (targets []string) {
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") {
				targets = append(targets, "./"+path.Clean(f.dir)+" "+fn.Name.Name)
			}
		}
	}
	slices.Sort(targets)
	return targets
}
