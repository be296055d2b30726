package simulate

import (
	"slices"
	"strings"

	"parley/internal/conversation"
)

// seat is a call of a model under way, with the process that made it.
type seat struct {
	*call
	p     *process
	shard conversation.Shard
}

// checkSeats judges at the beginning of a call that no more run for a tenant than may at once. Those count whose processes live and hold the
// conversation still, and did not stand still for longer than a lease since: one that was thought dead computes until it hears so.
func (l *ledger) checkSeats(tenant string, c *call, p *process) {
	limit := l.w.tenants[tenant].Limits.TurnsInFlight
	message, _, _ := strings.Cut(c.id, ".")
	l.seats = slices.DeleteFunc(l.seats, func(s seat) bool { return s.ended || s.p.isDead() })
	l.seats = append(l.seats, seat{c, p, conversation.ShardOf(l.letters[message].m.Conversation)})
	if limit == 0 {
		return
	}
	now, ids := 0, []string{}
	for _, s := range l.seats {
		if s.shard.Tenant == tenant && l.seated(s) {
			now, ids = now+1, append(ids, s.id+" of "+s.p.name)
		}
	}
	if now > limit {
		l.w.fault("%d calls at once of %s, whose limit is %d: %q", now, tenant, limit, ids)
	}
}

// seated asks the store whether the process still owns the conversation that it made a call for.
func (l *ledger) seated(s seat) bool {
	if s.p.outlivedLease(s.began) {
		return false
	}
	all, err := l.w.store.Owned(probe(), s.shard, s.p.name)
	return err == nil && slices.ContainsFunc(all, func(h conversation.Held) bool { return h.Fence == s.fence })
}
