package app

import (
	"log/slog"
	"time"

	"parley/internal/liveconfig"
	"parley/internal/route"
)

// audit records on stderr, as a line of JSON, who changed which switches, how, why and when; it returns the new revision. Servers record the
// same from their side, whoever edited the document.
func (c *change) audit(action string, old, content []byte, switches []*route.Switch, reason string, forced []objection) string {
	revision := liveconfig.Revision(content)
	attrs := []any{"action", action, "document", degradationDocument, "by", c.by, "reason", reason, "was", revisionOf(old), "revision", revision,
		"forced", len(forced) > 0}
	if len(forced) > 0 {
		var against []string
		for _, o := range forced {
			against = append(against, o.what)
		}
		attrs = append(attrs, "objections", against)
	}
	ids := make([]string, 0, len(switches))
	var groups []any
	for _, s := range switches {
		if s == nil {
			continue
		}
		ids = append(ids, s.ID)
		groups = append(groups, slog.Group(s.ID, switchAttrs(s)...))
	}
	attrs = append(attrs, "ids", ids, slog.Group("switches", groups...))
	slog.New(slog.NewJSONHandler(c.env.Stderr, nil)).Info("audit", attrs...)
	return revision
}

// switchAttrs are what a log line tells of a switch. Reason and author are the operator's own words.
func switchAttrs(s *route.Switch) []any {
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

func revisionOf(content []byte) string {
	if content == nil {
		return ""
	}
	return liveconfig.Revision(content)
}
