package tenant

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxSize bounds a document.
const maxSize = 1 << 20

var (
	yamlLine   = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	yamlParser = regexp.MustCompile(`did not find expected (?:['<]|key|node content)`)
	yamlAnchor = regexp.MustCompile(`anchor '([^']*)'`)
)

// reader collects the faults of one document.
type reader struct {
	file   string
	faults Faults
}

func (r *reader) fault(line int, path, what, mend string) {
	r.faults = append(r.faults, Fault{File: r.file, Line: line, Path: path, What: what, Mend: mend})
}

// parse gives the mapping that the document is; nil if it is none, with a fault.
func (r *reader) parse(content []byte) *yaml.Node {
	if len(content) > maxSize {
		r.fault(1, "", fmt.Sprintf("holds %d bytes, more than the %d allowed", len(content), maxSize), "shorten it")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.fault(1, "", "is empty", "write at least name and channels")
		return nil
	} else if err != nil {
		r.fault(errorLine(err, content), "", "is not YAML: "+yamlLine.ReplaceAllString(err.Error(), ""), cmp.Or(slip(content), "check indentation, colons and quotes there"))
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.fault(more.Line, "", "holds a second document", "remove the line --- and what follows it")
	}
	root := follow(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		r.fault(root.Line, "", "is not a list of keys", cmp.Or(slip(content), "write it as key: value lines"))
		return nil
	}
	return root
}

// Typed with a Chinese keyboard, or indented with a tab: YAML's own words for these help nobody. Packages config and
// route have the same few lines, since they share no parser.
var (
	wideColon = regexp.MustCompile(`(?m)^[ \t]*(?:- *)?(?:\{ *)?[A-Za-z_]+ *：`)
	tabFirst  = regexp.MustCompile(`(?m)^ *\t`)
)

// slip names the likely cause of a document that is not YAML; empty: none is known.
func slip(content []byte) string {
	for _, s := range []struct {
		mark *regexp.Regexp
		text string
	}{
		{wideColon, "has a full-width colon (：) after a key: write : and a space"},
		{tabFirst, "begins with a tab: indent with spaces"},
	} {
		if at := s.mark.FindIndex(content); at != nil {
			return fmt.Sprintf("line %d %s", 1+bytes.Count(content[:at[0]], []byte("\n")), s.text)
		}
	}
	return ""
}

// errorLine finds the line of a YAML error. The library counts a parser's lines from 0, a scanner's from 1, leaves 0 out, and gives none
// for an anchor.
func errorLine(err error, content []byte) int {
	text := err.Error()
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		if at := bytes.Index(content, []byte("*"+m[1])); at >= 0 {
			return 1 + bytes.Count(content[:at], []byte("\n"))
		}
		return 1
	}
	m := yamlLine.FindStringSubmatch(text)
	if m == nil || m[1] == "" {
		return 1
	}
	n, _ := strconv.Atoi(m[1])
	if yamlParser.MatchString(text) {
		n++
	}
	return min(n, 1+bytes.Count(bytes.TrimRight(content, " \t\r\n"), []byte("\n"))) // the end of the file counts as a line to the library
}

// follow gives what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// section is one mapping of the document. Reading a field marks it as known.
type section struct {
	*reader
	line   int
	path   string
	fields map[string]field
	order  []string
	known  map[string]bool
}

type field struct {
	line  int
	value *yaml.Node // nil: the key stands alone
}

// section makes a section of a mapping node; nil and other nodes make an empty one, the latter with a fault.
func (r *reader) section(n *yaml.Node, path string) *section {
	s := &section{reader: r, path: path, fields: map[string]field{}, known: map[string]bool{}}
	if n == nil {
		return s
	}
	s.line = n.Line
	if n.Kind != yaml.MappingNode {
		r.fault(n.Line, path, "takes keys of its own", "write it as {key: value}")
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], follow(n.Content[i+1])
		if name, _, wide := strings.Cut(key.Value, "："); wide { // YAML takes it for a part of the key
			r.fault(key.Line, s.at(strings.TrimSpace(name)), "has a full-width colon (：) after it", "write : and a space")
			continue
		}
		if _, twice := s.fields[key.Value]; twice {
			r.fault(key.Line, s.at(key.Value), "stands twice", "keep one of them")
			continue
		}
		if value.Kind == yaml.ScalarNode && value.Tag == "!!null" {
			value = nil
		}
		s.fields[key.Value] = field{key.Line, value}
		s.order = append(s.order, key.Value)
	}
	return s
}

func (s *section) at(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// faultAt reports a field at its line, or at the section's if it is absent.
func (s *section) faultAt(name, what, mend string) {
	line := s.line
	if f, ok := s.fields[name]; ok {
		line = f.line
		if f.value != nil {
			line = f.value.Line
		}
	}
	s.fault(line, s.at(name), what, mend)
}

// get gives a field's value, nil if it is absent or stands alone.
func (s *section) get(name string) *yaml.Node {
	s.known[name] = true
	return s.fields[name].value
}

// text gives a scalar; ok is false if the field is absent, or is none, which is a fault.
func (s *section) text(name string) (value string, ok bool) {
	n := s.get(name)
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		s.faultAt(name, "takes a single value", "write it without brackets and keys of its own")
		return "", false
	}
	return n.Value, true
}

func (s *section) number(name string) (int64, bool) {
	text, ok := s.text(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil {
		s.faultAt(name, fmt.Sprintf("%q is not a whole number", text), "write digits alone, as in 100")
		return 0, false
	}
	return n, true
}

// count is an optional number within bounds.
func (s *section) count(name string, def, least, most int) int {
	n, ok := s.number(name)
	if !ok {
		return def
	}
	if n < int64(least) || n > int64(most) {
		s.faultAt(name, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("write a number from %d to %d", least, most))
		return def
	}
	return int(n)
}

// duration is an optional time within bounds.
func (s *section) duration(name string, def, least, most time.Duration) time.Duration {
	text, ok := s.text(name)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.faultAt(name, fmt.Sprintf("%q is not a duration", text), "write it as in 30s, 5m or 24h")
		return def
	}
	if d < least || d > most {
		s.faultAt(name, fmt.Sprintf("%s is out of range", text), fmt.Sprintf("write a duration from %s to %s", least, most))
		return def
	}
	return d
}

// choice is an optional word out of a few; the first is the default.
func (s *section) choice(name string, words ...string) string {
	text, ok := s.text(name)
	if !ok {
		return words[0]
	}
	for _, w := range words {
		if w == text {
			return w
		}
	}
	s.faultAt(name, fmt.Sprintf("%q is not known", text), "write "+strings.Join(words, " or "))
	return words[0]
}

// sub gives the section below a field, an empty one if it is absent.
func (s *section) sub(name string) *section { return s.reader.section(s.get(name), s.at(name)) }

// items gives the nodes of a list, or a single value as a list of one if one is set.
func (s *section) items(name string, one bool) []*yaml.Node {
	n := s.get(name)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		items := make([]*yaml.Node, len(n.Content))
		for i, item := range n.Content {
			items[i] = follow(item)
		}
		return items
	case one && n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	s.faultAt(name, "is not a list", "write [a, b]")
	return nil
}

// unknown reports the fields that nobody read.
func (s *section) unknown(what, mend string) {
	for _, name := range s.order {
		if !s.known[name] {
			s.fault(s.fields[name].line, s.at(name), what, mend)
		}
	}
}
