package tenant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong in a document. It never holds a secret's value.
type Fault struct {
	File string // the document's name or file
	Line int    // from 1; 0: not known
	Path string // the key, as in channels[0].secret; may be empty
	What string // what is wrong
	Mend string // how to mend it; may be empty
}

// String is "file:line: path: what; mend" without the parts that are empty.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.What)
	if f.Mend != "" {
		b.WriteString("; " + f.Mend)
	}
	return b.String()
}

// Faults are all faults of a document; as an error they print one per line.
type Faults []Fault

// Error implements error.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func sorted(fs Faults) Faults {
	fs = slices.Clone(fs)
	slices.SortStableFunc(fs, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return fs
}
