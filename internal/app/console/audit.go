package console

import (
	"slices"
	"strconv"

	"parley/internal/app/operate"
	"parley/internal/audit"
)

// auditPage is how many entries a page of the log has.
const auditPage = 100

// AuditAnswer is a page of the log, the newest first, and where the whole of it is not as it was written.
type AuditAnswer struct {
	Entries  []audit.Entry   `json:"entries"`
	Findings []audit.Finding `json:"findings"`
	Total    int             `json:"total"`
	Next     int64           `json:"next,omitempty"` // ?before= of the next page; 0: there is none
	Newest   string          `json:"newest"`         // seq:hash of the newest: kept elsewhere, it shows later whether the log was written anew
}

// serveAudit reads the whole log, since only the whole can be verified: ?tenant= for what a tenant's people had done, ?before= for older entries.
func (c *Console) serveAudit(q *call) (any, error) {
	o := operate.AuditOptions{Tenant: q.URL.Query().Get("tenant"), Anchor: q.URL.Query().Get("anchor")}
	if err := o.Check(); err != nil {
		return nil, invalid("%s", err)
	}
	before, err := strconv.ParseInt("0"+q.URL.Query().Get("before"), 10, 64)
	if err != nil {
		return nil, invalid("before: a number")
	}
	log, err := c.opt.Desk.Audit(q.Context(), o)
	if err != nil {
		return nil, err
	}
	a := AuditAnswer{Entries: []audit.Entry{}, Findings: append([]audit.Finding{}, log.Findings...), Total: len(log.Entries)}
	slices.Reverse(log.Entries)
	if len(log.Entries) > 0 {
		a.Newest = strconv.FormatInt(log.Entries[0].Seq, 10) + ":" + log.Entries[0].Hash
	}
	for _, e := range log.Entries {
		if before > 0 && e.Seq >= before {
			continue
		}
		if len(a.Entries) == auditPage {
			a.Next = a.Entries[auditPage-1].Seq
			break
		}
		a.Entries = append(a.Entries, e)
	}
	return a, nil
}
