package channeltest

import (
	"cmp"
	"fmt"
	"slices"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Settings is a channel's entry given as a map. A Secret or a []Secret is given as string or []string.
type Settings struct {
	TenantName string
	Entry      string
	GroupBy    string // history.group; empty: member
	Lang       string // language; empty: zh
	Fields     map[string]any
	// Faults collects what a constructor finds wrong, each as "field: text".
	Faults []string
	read   []string
}

// Tenant implements channel.Settings.
func (s *Settings) Tenant() string { return s.TenantName }

// Name implements channel.Settings.
func (s *Settings) Name() string { return s.Entry }

// Group implements channel.Settings.
func (s *Settings) Group() string { return cmp.Or(s.GroupBy, channel.GroupMember) }

// Language implements channel.Settings.
func (s *Settings) Language() string { return cmp.Or(s.Lang, "zh") }

// Faultf implements channel.Settings.
func (s *Settings) Faultf(field, format string, args ...any) {
	s.Faults = append(s.Faults, field+": "+fmt.Sprintf(format, args...))
}

// String implements channel.Settings.
func (s *Settings) String(field string) string { return required[string](s, field) }

// Optional implements channel.Settings.
func (s *Settings) Optional(field, def string) string {
	if _, ok := s.Fields[field]; !ok {
		s.read = append(s.read, field)
		return def
	}
	return required[string](s, field)
}

// Int implements channel.Settings.
func (s *Settings) Int(field string) int64 {
	if n, ok := s.Fields[field].(int); ok {
		s.read = append(s.read, field)
		return int64(n)
	}
	return required[int64](s, field)
}

// Secret implements channel.Settings.
func (s *Settings) Secret(field string) chat.Secret {
	return chat.NewSecret(required[string](s, field))
}

// Secrets implements channel.Settings.
func (s *Settings) Secrets(field string) []chat.Secret {
	if one, ok := s.Fields[field].(string); ok {
		s.read = append(s.read, field)
		return []chat.Secret{chat.NewSecret(one)}
	}
	var all []chat.Secret
	for _, v := range required[[]string](s, field) {
		all = append(all, chat.NewSecret(v))
	}
	return all
}

// Unread lists the fields that no constructor asked for, sorted.
func (s *Settings) Unread() []string {
	var fields []string
	for f := range s.Fields {
		if !slices.Contains(s.read, f) {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	return fields
}

func required[T any](s *Settings, field string) (zero T) {
	s.read = append(s.read, field)
	v, ok := s.Fields[field]
	if !ok {
		s.Faultf(field, "is missing")
		return zero
	}
	typed, ok := v.(T)
	if !ok {
		s.Faultf(field, "is a %T, want a %T", v, zero)
	}
	return typed
}
