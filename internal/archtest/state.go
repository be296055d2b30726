package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// checkState finds mutable package state: a package variable without a value, one that is written or whose address is taken, a lock,
// channel or made map, and one that a call builds which is not known to be pure. It cannot see a method that changes its receiver.
func checkState(files []file) (faults []string) {
	packages := map[string][]file{}
	for _, f := range files {
		if !f.test && !f.generated && !matchesAny(stateRooms, f.dir) {
			packages[f.dir] = append(packages[f.dir], f)
		}
	}
	for dir, pkg := range packages {
		written := writtenVars(pkg)
		for _, f := range pkg {
			for name, fault := range declaredState(f, written) {
				if !slices.ContainsFunc(globals, func(g global) bool { return g.dir == dir && g.name == name }) {
					faults = append(faults, fmt.Sprintf("%s: package variable %s %s", f.path(), name, fault))
				}
			}
		}
	}
	return faults
}

func declaredState(f file, written map[string]bool) map[string]string {
	faults := map[string]string{}
	for _, d := range f.ast.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ValueSpec)
			if embedded(decl.Doc) || embedded(spec.Doc) {
				continue
			}
			for i, name := range spec.Names {
				var value ast.Expr
				if i < len(spec.Values) {
					value = spec.Values[i]
				}
				if fault := stateFault(spec.Type, value, written[name.Name]); fault != "" && name.Name != "_" {
					faults[name.Name] = fault
				}
			}
		}
	}
	return faults
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func stateFault(typ, value ast.Expr, written bool) string {
	switch {
	case value == nil:
		return "has no value, so something sets it later"
	case written:
		return "is written to"
	}
	var fault string
	for _, e := range []ast.Expr{typ, value} {
		if e == nil {
			continue
		}
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false // runs later, on its own variables
			case *ast.ChanType:
				fault = "is a channel"
			case *ast.CallExpr:
				if name := types.ExprString(n.Fun); !isConversion(n.Fun) && !slices.Contains(pureCalls, name) {
					fault = "is built by " + name + ", not known to be pure"
				}
			case *ast.SelectorExpr:
				name := types.ExprString(n)
				if (strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "atomic.")) && !slices.Contains(pureCalls, name) {
					fault = "is a " + name
				}
			}
			return true
		})
	}
	return fault
}

// isConversion knows conversions to builtin types, slices of them, and time.Duration.
func isConversion(fun ast.Expr) bool {
	if _, ok := fun.(*ast.ArrayType); ok {
		return true
	}
	name := types.ExprString(fun)
	_, builtin := types.Universe.Lookup(name).(*types.TypeName)
	return builtin || name == "time.Duration" || name == "len"
}

// writtenVars names the package variables that any function of the package assigns to, takes the address of, or deletes from.
func writtenVars(pkg []file) map[string]bool {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	// Without the imported packages there are errors, but every name of the package itself is resolved.
	conf := types.Config{Error: func(error) {}, Importer: noImports{}}
	trees := make([]*ast.File, len(pkg))
	for i, f := range pkg {
		trees[i] = f.ast
	}
	p, _ := conf.Check(pkg[0].dir, pkg[0].fset, trees, info)
	written := map[string]bool{}
	mark := func(e ast.Expr) {
		if id := root(e); id != nil {
			if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == p.Scope() {
				written[id.Name] = true
			}
		}
	}
	for _, t := range trees {
		ast.Inspect(t, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					mark(e)
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					mark(n.X)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
					mark(n.Args[0])
				}
			}
			return true
		})
	}
	return written
}

// root is the variable that an assignable expression belongs to: x of x.f[i].
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not needed") }
