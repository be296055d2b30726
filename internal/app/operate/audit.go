package operate

import (
	"log/slog"

	"parley/internal/app/wire"
	"parley/internal/liveconfig"
	"parley/internal/route"
)

// audit records on stderr, as a line of JSON, who changed which switches, how, why and when; it returns the new revision. Servers record the
// same from their side, whoever edited the document.
func (c *change) audit(action string, old, content []byte, switches []*route.Switch, reason string, forced []objection) string {
	revision := liveconfig.Revision(content)
	attrs := []any{"action", action, "document", wire.DegradationDocument, "by", c.by, "reason", reason, "was", revisionOf(old), "revision", revision,
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
		groups = append(groups, slog.Group(s.ID, wire.SwitchAttrs(s)...))
	}
	attrs = append(attrs, "ids", ids, slog.Group("switches", groups...))
	slog.New(slog.NewJSONHandler(c.env.Stderr, nil)).Info("audit", attrs...)
	return revision
}

func revisionOf(content []byte) string {
	if content == nil {
		return ""
	}
	return liveconfig.Revision(content)
}
