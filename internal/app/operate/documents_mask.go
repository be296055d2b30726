package operate

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// secretKey are the keys of live documents below which references to secrets stand.
var secretKey = regexp.MustCompile(`(?i)^(keys?|aes_key|encrypt_key|\w*secret|\w*tokens?|\w*password)$`)

// What stands in place of a secret, or of a document in which secrets cannot be told apart. Neither can be published.
const (
	hidden  = "***"
	unshown = "# It is not YAML, so that what in it may be a secret cannot be told apart: it is not shown here. `parley export` writes it out as it is.\n"
)

// masked is a document as it may be shown: secrets are references, which may be; what stands where a reference belongs and is none may not.
func masked(content []byte) (text string, changed bool) {
	text = string(content)
	var root yaml.Node
	if err := yaml.Unmarshal(content, &root); err != nil {
		return unshown, true
	}
	found := literals(&root, false)
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be a part of another
	for _, literal := range found {
		if !strings.Contains(string(content), literal) {
			return unshown, true // written in another way than it is meant
		}
		text, changed = strings.ReplaceAll(text, literal, hidden), true
	}
	return text, changed
}

// literals are the values below keys of secrets that are no references.
func literals(n *yaml.Node, secret bool) (out []string) {
	switch n.Kind {
	case yaml.ScalarNode:
		if secret && n.Value != "" && n.Value != hidden && n.Tag != "!!null" && !reference(n.Value) {
			out = append(out, n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, literals(n.Content[i+1], secret || secretKey.MatchString(n.Content[i].Value))...)
		}
	default:
		for _, c := range n.Content {
			out = append(out, literals(c, secret)...)
		}
	}
	return out
}

func reference(s string) bool {
	for _, scheme := range []string{"env:", "file:", "age:"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	return false
}
