package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "parley"

// file is one Go file of the tree.
type file struct {
	dir       string // slash-separated, relative to the root: "internal/chat"
	name      string
	test      bool // _test.go
	generated bool
	lines     int
	fset      *token.FileSet
	ast       *ast.File
}

func (f file) path() string { return path.Join(f.dir, f.name) }

// imports lists the import paths of the file; those of Parley's own are relative to the root.
func (f file) imports() (own, outside []string) {
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		if rest, ok := strings.CutPrefix(p, module+"/"); ok {
			own = append(own, rest)
		} else {
			outside = append(outside, p)
		}
	}
	return own, outside
}

// load parses every Go file below root, whatever system it is for.
func load(root string) ([]file, error) {
	fset := token.NewFileSet()
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && skipped(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(d.Name(), ".go") {
			return nil
		}
		f, err := parse(fset, root, p)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	return files, err
}

// skipped are the folders that the go command does not look into either.
func skipped(dir string) bool {
	return dir == "testdata" || dir == "vendor" || dir == "node_modules" || strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_")
}

func parse(fset *token.FileSet, root, p string) (file, error) {
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return file{}, err
	}
	src, err := os.ReadFile(p)
	if err != nil {
		return file{}, err
	}
	tree, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	dir, name := path.Split(filepath.ToSlash(rel))
	return file{
		dir: path.Clean(dir), name: name, test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(tree),
		lines: bytes.Count(src, []byte("\n")), fset: fset, ast: tree,
	}, nil
}

// matches reports whether dir is what pattern names: itself, or with "/..." everything below it, too.
func matches(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == base || strings.HasPrefix(dir, base+"/")
	}
	return dir == pattern
}

func matchesAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, dir) })
}
