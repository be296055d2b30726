package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSize bounds a document: Nacos itself takes at most 10 MiB, and nothing that people write comes near this.
const maxSize = 1 << 20

var (
	yamlLine   = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	yamlParser = regexp.MustCompile(`did not find expected (?:['<]|key|node content)`)
	yamlAnchor = regexp.MustCompile(`anchor '([^']*)'`)
)

// parseYAML gives the one mapping that content holds; nil, without a fault, for an empty document.
func parseYAML(file string, content []byte) (*yaml.Node, Faults) {
	fault := func(line int, what, mend string) (*yaml.Node, Faults) {
		return nil, Faults{{File: file, Line: line, What: what, Mend: mend}}
	}
	if len(content) > maxSize {
		return fault(1, fmt.Sprintf("holds %d bytes, more than the %d allowed", len(content), maxSize), "is it the right file?")
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return fault(errorLine(err, content), "is not YAML: "+yamlLine.ReplaceAllString(err.Error(), ""), cmp.Or(slip(content), "check indentation, colons and quotes there"))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return fault(more.Line, "holds a second document", "remove the line --- and what follows it")
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return fault(root.Line, "is not a list of keys", cmp.Or(slip(content), "write it as key: value lines"))
	}
	return root, nil
}

// Typed with a Chinese keyboard, or indented with a tab: YAML's own words for these help nobody. The packages of the live documents have the
// same few lines, since they share no parser.
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

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isReference reports whether s has the form of a reference to a secret.
func isReference(s string) bool {
	for _, scheme := range []string{"env:", "file:", "age:"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	return false
}
