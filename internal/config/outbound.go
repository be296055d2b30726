package config

import (
	"fmt"
	"reflect"
	"strings"
)

// LoadOutbound reads only `outbound` of the server.yaml at path and of the environment, as a server would; an empty path means the defaults
// and the environment. Other faults of the file do not count: what a server may call is known in spite of them.
func LoadOutbound(path string, opt Options) ([]string, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	if _, broken := parseYAML(path, content); len(broken) > 0 {
		return nil, broken
	}
	s := DefaultServer()
	d := fill(path, content, reflect.ValueOf(s).Elem(), opt)
	d.faults = nil
	d.originList("outbound", s.Outbound)
	return s.Outbound, d.faults.Err()
}

// LineOf finds the line of a key's value in a YAML document, as in "switches[2].to"; what the document lacks counts as the key around it, and 0
// means that not even that is known.
func LineOf(content []byte, path string) int {
	n, _ := parseYAML("", content)
	line := 0
	for n != nil && path != "" {
		var key string
		if strings.HasPrefix(path, "[") {
			key, path, _ = strings.Cut(path[1:], "]")
			i := 0
			if _, err := fmt.Sscan(key, &i); err != nil || i < 0 || i >= len(n.Content) {
				return line
			}
			n = resolve(n.Content[i])
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			key, path = path[:end], path[end:]
			value := -1
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					line, value = n.Content[i].Line, i+1
				}
			}
			if value < 0 {
				return line
			}
			n = resolve(n.Content[value])
		}
		line, path = max(line, n.Line), strings.TrimPrefix(path, ".")
	}
	return line
}
