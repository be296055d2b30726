package route

import (
	"fmt"
	"sort"
	"strings"

	"parley/internal/chat"
)

// Fault is one thing wrong with a document.
type Fault struct {
	Line  int    // from 1; 0: the document as a whole
	Where string // the field, as a path: providers.openai.key
	What  string // what is wrong and how to mend it; never a value that may be a secret
}

// Faults is everything wrong with one document, in the order of its lines.
type Faults struct {
	Source string // the document's name or file
	List   []Fault
}

// Error lists the faults, one a line, as "source:line: field: what".
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, x := range f.List {
		lines[i] = fmt.Sprintf("%s:%d: %s", f.Source, x.Line, x.What)
		if x.Where != "" {
			lines[i] = fmt.Sprintf("%s:%d: %s: %s", f.Source, x.Line, x.Where, x.What)
		}
	}
	return strings.Join(lines, "\n")
}

// err is nil if there are no faults, else a *chat.Error of kind Invalid that wraps the sorted list.
func (f *Faults) err(op string) error {
	if len(f.List) == 0 {
		return nil
	}
	sort.SliceStable(f.List, func(i, j int) bool { return f.List[i].Line < f.List[j].Line })
	return chat.E(chat.Invalid, op, f)
}
