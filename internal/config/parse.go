package config

import (
	"bytes"
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

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parseYAML gives the one mapping that content holds; nil, without a fault, for an empty document.
func parseYAML(file string, content []byte) (*yaml.Node, Faults) {
	fault := func(line int, what, mend string) (*yaml.Node, Faults) {
		return nil, Faults{{File: file, Line: line, What: what, Mend: mend}}
	}
	if len(content) > maxSize {
		return fault(0, fmt.Sprintf("holds %d bytes, more than the %d allowed", len(content), maxSize), "is it the right file?")
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return fault(errorLine(err), "is not YAML: "+yamlLine.ReplaceAllString(err.Error(), ""), "check indentation, colons and quotes there")
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return fault(more.Line, "holds a second document", "remove the line --- and what follows it")
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return fault(root.Line, "is not a list of keys", "write it as key: value lines")
	}
	return root, nil
}

func errorLine(err error) int {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
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
