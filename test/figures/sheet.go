package figures

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Sheet is a report for people: titles, and rows of a name and what belongs to it. Its zero value is empty.
type Sheet struct{ b strings.Builder }

// Titlef begins a part.
func (s *Sheet) Titlef(format string, args ...any) {
	fmt.Fprintf(&s.b, "\n"+format+"\n", args...)
}

// Row adds one.
func (s *Sheet) Row(name, format string, args ...any) {
	fmt.Fprintf(&s.b, "  %-40s "+format+"\n", append([]any{name}, args...)...)
}

// List adds lines that have no name, such as faults.
func (s *Sheet) List(lines []string) {
	for _, l := range lines {
		s.b.WriteString("    " + l + "\n")
	}
}

// Text adds text as it is.
func (s *Sheet) Text(text string) { s.b.WriteString(text) }

// String is the whole sheet.
func (s *Sheet) String() string { return s.b.String() }

// Write prints the sheet and writes v as JSON to file, or after the sheet if file is empty.
func Write(sheet string, v any, file string) error {
	fmt.Print(sheet)
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if b = append(b, '\n'); file == "" {
		_, err = os.Stdout.Write(b)
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
