package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// Settings are one channel's fields. What is missing, of the wrong type or never read becomes a fault of the document, so whoever makes
// the channel reads all its fields and need not check each. Not safe for concurrent use.
type Settings struct {
	*section
	tenant  string
	name    string
	group   string
	lang    string
	resolve func(tenant, ref string) (chat.Secret, error)
	absent  []string // fields whose secrets could not be had, so that no fault about their form can be true
	done    bool
}

// Tenant is the name of the document's tenant.
func (s *Settings) Tenant() string { return s.tenant }

// Name is the channel's name.
func (s *Settings) Name() string { return s.name }

// Group implements channel.Settings.
func (s *Settings) Group() string { return s.group }

// Language implements channel.Settings.
func (s *Settings) Language() string { return s.lang }

// String is a required text; numbers and words without quotes count as text. Missing or empty: a fault, and "".
func (s *Settings) String(field string) string {
	text, ok := s.text(field)
	if !ok && s.fields[field].value != nil {
		return ""
	}
	if text == "" {
		s.faultAt(field, "is missing", "add "+field+": …")
	}
	return text
}

// Optional is a text with a default.
func (s *Settings) Optional(field, def string) string {
	if text, ok := s.text(field); ok {
		return text
	}
	return def
}

// Int is a required whole number; missing or no number: a fault, and 0.
func (s *Settings) Int(field string) int64 {
	n, ok := s.number(field)
	if !ok && s.fields[field].value == nil {
		s.faultAt(field, "is missing", "add "+field+": with a whole number")
	}
	return n
}

// Secret resolves one required reference. Missing, a literal or unresolvable: a fault, and the zero Secret.
func (s *Settings) Secret(field string) chat.Secret {
	n := s.get(field)
	if n == nil {
		s.missingSecret(field)
		return chat.Secret{}
	}
	if n.Kind != yaml.ScalarNode {
		s.absent = append(s.absent, field)
		s.faultAt(field, "takes a single reference to a secret", "write env:NAME or file:NAME")
		return chat.Secret{}
	}
	return s.reference(n, field, s.at(field))
}

// Secrets resolves one reference or a list of them, at least one; faults as with Secret. Only what could be resolved is returned.
func (s *Settings) Secrets(field string) []chat.Secret {
	items := s.items(field, true)
	if n := s.get(field); n == nil || n.Kind == yaml.SequenceNode && len(items) == 0 {
		s.missingSecret(field)
		return nil
	} else if items == nil {
		s.absent = append(s.absent, field)
	}
	var all []chat.Secret
	for i, item := range items {
		at := s.at(field)
		if len(items) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		if item.Kind != yaml.ScalarNode {
			s.absent = append(s.absent, field)
			s.fault(item.Line, at, "is not a reference to a secret", "write env:NAME or file:NAME")
			continue
		}
		if v := s.reference(item, field, at); !v.IsZero() {
			all = append(all, v)
		}
	}
	return all
}

func (s *Settings) missingSecret(field string) {
	s.absent = append(s.absent, field)
	s.faultAt(field, "is missing", "add "+field+": env:NAME")
}

func (s *Settings) reference(n *yaml.Node, field, at string) chat.Secret {
	if s.tenant == "" { // the name has its fault; without it there is no scope
		s.absent = append(s.absent, field)
		return chat.Secret{}
	}
	v, err := s.resolve(s.tenant, n.Value)
	if err != nil {
		s.fault(n.Line, at, plain(err), "")
	}
	if v.IsZero() {
		s.absent = append(s.absent, field)
	}
	return v
}

// Faultf adds a fault at a field: what is wrong and how to mend it. About a secret that could not be had nothing is added: it has its
// fault already, or the document is only checked where its secrets are not.
func (s *Settings) Faultf(field, format string, args ...any) {
	s.known[field] = true
	if !slices.Contains(s.absent, field) {
		s.faultAt(field, fmt.Sprintf(format, args...), "")
	}
}

// Broken adds what the channel could not be made of: chat.Faults in err to their fields, anything else to the channel as a whole, unless the
// channel has a fault already, from which that follows.
func (s *Settings) Broken(err error) {
	if faults, ok := errors.AsType[Faults](err); ok {
		for _, f := range faults {
			s.Faultf(f.Path, "%s", f.What)
		}
		return
	}
	if len(s.absent) == 0 && !slices.ContainsFunc(s.faults, func(f Fault) bool { return strings.HasPrefix(f.Path, s.path+".") }) {
		s.fault(s.line, s.path, plain(err), "")
	}
}

// plain is an error's text without the step that found it and its kind.
func plain(err error) string {
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	return err.Error()
}

// finish reports the fields that nobody read, once.
func (s *Settings) finish() {
	if s.done {
		return
	}
	s.done = true
	s.unknown("is not a field of this kind of channel, or not in this mode", "remove it, or check its spelling")
}
