package app

import (
	"context"
	"strconv"

	"parley/internal/audit"
	"parley/internal/conversation"
)

// forgot enters into the tenant's log that a person had removed what was kept of them. Whatever comes of it: they were forgotten.
func (c *client) forgot(ctx context.Context, f conversation.Forgetting) {
	e, err := c.store.Record(ctx, f.Tenant, audit.Entry{
		Via: audit.ViaChat, Action: "forget", Tenant: f.Tenant, Object: f.Turn,
		Details: map[string]string{
			"channel": f.Channel, "turns": strconv.Itoa(f.Turns), "shown": strconv.Itoa(f.Shown),
			"dead_letters": strconv.Itoa(f.Letters), "days_of_usage": strconv.Itoa(f.Days),
		},
	}, c.cfg.Audit.Keep)
	if err != nil {
		c.tel.Log.Error("audit", append(f.Attrs(), "not_in_the_log", err.Error())...)
		return
	}
	c.tel.Log.Info("audit", append(f.Attrs(), "seq", e.Seq, "hash", e.Hash)...)
}
