package route

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxDocument bounds a document, in bytes.
const maxDocument = 1 << 20

// decoder walks a YAML tree and collects faults. yaml.v3's own decoding stops at the first kind of fault and quotes values, which may be
// keys that somebody pasted.
type decoder struct{ Faults }

// document parses data into its only top-level mapping; nil after a fault or for an empty document.
func (d *decoder) document(data []byte) *yaml.Node {
	if len(data) > maxDocument {
		d.faultf(nil, "", "the document has %d bytes; at most %d are read", len(data), maxDocument)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err, data)
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.faultf(nil, "", "the document has several parts (---); keep one")
		return nil
	}
	return root.Content[0]
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

func (d *decoder) syntax(err error, data []byte) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1 // yaml.v3 leaves the first line unsaid
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.Replace(text, m[0], "", 1)
	}
	d.List = append(d.List, Fault{Line: line, What: "not YAML: " + text + hint(data)})
}

// Typed with a Chinese keyboard, or indented with a tab: YAML's own words for these help nobody.
var (
	wideColon = regexp.MustCompile(`(?m)^[ \t]*(?:- *)?(?:\{ *)?[A-Za-z_]+ *：`)
	tabFirst  = regexp.MustCompile(`(?m)^ *\t`)
)

func hint(data []byte) string {
	for _, h := range []struct {
		mark *regexp.Regexp
		text string
	}{
		{wideColon, "has a full-width colon (：) after a key; write : and a space"},
		{tabFirst, "begins with a tab; indent with spaces"},
	} {
		if at := h.mark.FindIndex(data); at != nil {
			return fmt.Sprintf("; line %d %s", 1+bytes.Count(data[:at[0]], []byte("\n")), h.text)
		}
	}
	return ""
}

func (d *decoder) faultf(n *yaml.Node, where, format string, args ...any) {
	line := 0
	if n != nil {
		line = n.Line
	}
	d.List = append(d.List, Fault{Line: line, Where: where, What: fmt.Sprintf(format, args...)})
}

func absent(n *yaml.Node) bool { return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// entries calls f for each key of a mapping, in its order. An absent mapping has none.
func (d *decoder) entries(n *yaml.Node, where string, f func(key string, at, value *yaml.Node)) {
	if absent(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.faultf(n, where, "is %s; write a mapping (name: value)", kindOf(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, value := n.Content[i], n.Content[i+1]
		if at.Kind != yaml.ScalarNode {
			d.faultf(at, where, "has a key that is %s; write a plain name", kindOf(at))
			continue
		}
		if first, twice := seen[at.Value]; twice {
			d.faultf(at, join(where, at.Value), "stands twice, first on line %d; remove one", first)
			continue
		}
		seen[at.Value] = at.Line
		f(at.Value, at, value)
	}
}

// fields reads a mapping whose keys are known.
func (d *decoder) fields(n *yaml.Node, where string, known map[string]func(value *yaml.Node, where string)) {
	d.entries(n, where, func(key string, at, value *yaml.Node) {
		read, ok := known[key]
		if !ok {
			d.faultf(at, join(where, key), "is not known here; known are %s", names(known))
			return
		}
		read(value, join(where, key))
	})
}

// items calls f for each element of a list. An absent list has none; with one=true a single value counts as a list of it.
func (d *decoder) items(n *yaml.Node, where string, one bool, f func(value *yaml.Node, where string)) {
	switch {
	case absent(n):
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			f(item, fmt.Sprintf("%s[%d]", where, i))
		}
	case one:
		f(n, where)
	default:
		d.faultf(n, where, "is %s; write a list: [a, b], or an entry a line, each after a dash", kindOf(n))
	}
}

// text reads a scalar as it is written; absent is "".
func (d *decoder) text(n *yaml.Node, where string) string {
	if absent(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		d.faultf(n, where, "is %s; write one value", kindOf(n))
		return ""
	}
	return n.Value
}

// number reads a whole number within [least, most]; absent or faulty is 0.
func (d *decoder) number(n *yaml.Node, where string, least, most int) int {
	s := d.text(n, where)
	if s == "" {
		return 0
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < least || v > most {
		d.faultf(n, where, "must be a whole number from %d to %d", least, most)
		return 0
	}
	return v
}

func (d *decoder) boolean(n *yaml.Node, where string) bool {
	switch d.text(n, where) {
	case "true", "True", "TRUE":
		return true
	case "", "false", "False", "FALSE":
		return false
	}
	d.faultf(n, where, "must be true or false, in these words")
	return false
}

// duration reads a time like 30s within [least, most]; absent or faulty is def.
func (d *decoder) duration(n *yaml.Node, where string, def, least, most time.Duration) time.Duration {
	s := d.text(n, where)
	if s == "" {
		return def
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < least || v > most {
		d.faultf(n, where, "must be a time from %v to %v, like 30s", least, most)
		return def
	}
	return v
}

// named reads a scalar that must match a pattern of names.
func (d *decoder) named(n *yaml.Node, where string, pattern *regexp.Regexp) string {
	s := d.text(n, where)
	if !pattern.MatchString(s) {
		d.faultf(n, where, "is no valid name; it must match %s", pattern)
	}
	return s
}

func join(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

func names[V any](m map[string]V) string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*name), which is not supported"
	default:
		return "a single value"
	}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
