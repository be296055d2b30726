package config

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// origin is where a key was set.
type origin struct {
	file string
	line int
}

// decoder fills a configuration from a file and then from the environment, and remembers for every key who set it, so that later
// faults point there.
type decoder struct {
	file    string
	origins map[string]origin
	faults  Faults
}

// fault reports path where it was set, else where the key around it was.
func (d *decoder) fault(path, what, mend string) {
	o := origin{file: d.file}
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if set, ok := d.origins[at]; ok {
			o = set
			break
		}
	}
	d.faults = append(d.faults, Fault{File: o.file, Line: o.line, Path: path, What: what, Mend: mend})
}

func (d *decoder) faultAt(n *yaml.Node, path, what, mend string) {
	d.faults = append(d.faults, Fault{File: d.file, Line: n.Line, Path: path, What: what, Mend: mend})
}

// mapping decodes a mapping into the struct v, field by field; keys that no field has are faults.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.faultAt(n, path, "takes keys of its own", "known keys: "+strings.Join(keys(v.Type()), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		at := join(path, key.Value)
		field, ok := fieldOf(v, key.Value)
		switch {
		case !ok:
			d.faultAt(key, at, "unknown key", "known keys: "+strings.Join(keys(v.Type()), ", "))
		case seen[key.Value]:
			d.faultAt(key, at, "stands twice", "keep one of them")
		default:
			d.origins[at] = origin{d.file, key.Line}
			if !isNull(value) { // "key:" alone leaves the default
				d.value(value, field, at)
			}
		}
		seen[key.Value] = true
	}
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	switch v.Interface().(type) {
	case Credential:
		s, ok := d.scalar(n, path)
		if ok && s != "" && !isReference(s) {
			d.faultAt(n, path, "is a literal where a secret's reference belongs", "write env:NAME or file:NAME and keep the secret there")
			s = ""
		}
		v.Set(reflect.ValueOf(Credential{Ref: s}))
		return
	case []string:
		d.list(n, v, path)
		return
	case []User:
		d.mappings(n, v, path)
		return
	}
	if v.Kind() == reflect.Struct {
		d.mapping(n, v, path)
		return
	}
	if s, ok := d.scalar(n, path); ok {
		if what, mend := setScalar(v, s); what != "" {
			d.faultAt(n, path, what, mend)
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.faultAt(n, path, "is not a list", "write ["+n.Value+"]")
		return
	}
	list := []string{}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s, ok := d.scalar(resolve(item), at); ok {
			list = append(list, s)
			d.origins[at] = origin{d.file, item.Line}
		}
	}
	v.Set(reflect.ValueOf(list))
}

// mappings decodes a list of mappings into a slice of structs.
func (d *decoder) mappings(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.faultAt(n, path, "is not a list", "write each one after a - and a space")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.origins[at] = origin{d.file, item.Line}
		d.mapping(resolve(item), v.Index(i), at)
	}
}

func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.faultAt(n, path, "takes a single value", "write it without brackets and keys of its own")
		return "", false
	}
	return n.Value, true
}

// environment lays the PARLEY_ variables over v.
func (d *decoder) environment(v reflect.Value, path string, env func(string) (string, bool)) {
	for i := range v.NumField() {
		field, at := v.Field(i), join(path, v.Type().Field(i).Tag.Get("yaml"))
		if _, leaf := field.Interface().(Credential); field.Kind() == reflect.Struct && !leaf {
			d.environment(field, at, env)
			continue
		}
		if _, people := field.Interface().([]User); people {
			continue // a list of mappings has no form as a variable
		}
		name := EnvName(at)
		value, ok := env(name)
		if !ok || value == "" {
			continue
		}
		maps.DeleteFunc(d.origins, func(path string, _ origin) bool { return strings.HasPrefix(path, at+"[") })
		d.origins[at] = origin{file: name}
		switch field.Interface().(type) {
		case Credential:
			if isReference(value) {
				field.Set(reflect.ValueOf(Credential{Ref: value}))
			} else {
				field.Set(reflect.ValueOf(Credential{Secret: chat.NewSecret(value)}))
			}
		case []string:
			field.Set(reflect.ValueOf(splitList(value)))
		default:
			if what, mend := setScalar(field, value); what != "" {
				d.fault(at, what, mend)
			}
		}
	}
}

// EnvName is the environment variable of a key: redis.addrs is PARLEY_REDIS_ADDRS.
func EnvName(path string) string {
	return "PARLEY_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func splitList(s string) []string {
	list := []string{}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// setScalar sets a string, int, bool or time and returns what is wrong with s, if anything, and how to mend it.
func setScalar(v reflect.Value, s string) (what, mend string) {
	if into, ok := v.Addr().Interface().(*time.Duration); ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Sprintf("%q is not a length of time", s), "write a number with its unit, as in 20s or 2m"
		}
		*into = d
		return "", ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err != nil {
			return fmt.Sprintf("%q is not a whole number", s), "write digits alone, as in 100"
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Sprintf("%q is neither true nor false", s), "write one of the two"
		}
		v.SetBool(s == "true")
	default: // a test walks over all fields, so no field of another kind can exist
		return "cannot be set", "remove it"
	}
	return "", ""
}

func keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
