package wire

import (
	"time"

	"parley/internal/route"
)

// SwitchAttrs are what a log line tells of a switch, the same in a command's audit and in a server's. Reason and author are the operator's own words.
func SwitchAttrs(s *route.Switch) []any {
	attrs := []any{"active", s.Active, "to", s.To, "tenants", list(s.Tenants), "providers", list(s.Providers), "reason", s.Reason, "by", s.By}
	if !s.Until.IsZero() {
		attrs = append(attrs, "until", s.Until.Format(time.RFC3339))
	}
	if s.Ramp > 0 {
		attrs = append(attrs, "ramp", s.Ramp.String())
	}
	return attrs
}

// list is an empty list rather than none, so that a log line says "every" in one way.
func list(names []string) []string { return append([]string{}, names...) }
