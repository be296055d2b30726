package llm

import (
	"context"
	"time"

	"parley/internal/chat"
)

// settle gives the key back and tells both breakers how the call ended. Whoever left, and a long answer that the turn's limit cut, say nothing
// of the provider. Lines and the fleet's word are for changes only, not for every turn that meets them.
func (c *exchange) settle(ctx context.Context, failure *chat.Error) {
	counts := ctx.Err() == nil && !c.left && !(c.late() && c.heard)
	switch c.client.ended(time.Now(), c.pass, failure, counts) {
	case nowShut:
		c.log.WarnContext(ctx, "a provider keeps failing; turns go past it", "provider", c.Provider.Name, "model", c.Model, "error", failure,
			"rest", c.client.rest(time.Now()))
	case nowOpen:
		c.log.InfoContext(ctx, "a provider answers again; turns come back to it", "provider", c.Provider.Name, "model", c.Model)
	}
	rest, alarm, restored := c.keys.give(c.key, failure)
	c.keyRestored(restored)
	if rest <= 0 {
		return
	}
	c.metrics.rests.WithLabelValues(c.Provider.Name, keyOwner(c.Own), failure.Kind.String()).Inc()
	c.fleet.Rest(c.key.name, rest, failure.Kind, failure.Code)
	if alarm {
		c.log.ErrorContext(ctx, "a provider refuses a key; an operator has to act", "provider", c.Provider.Name, "own", c.Own, "tenant", c.req.Tenant,
			"key", c.key.key.Fingerprint(), "kind", failure.Kind.String(), "code", failure.Code)
	}
}

// keyRestored ends an alarm.
func (c *exchange) keyRestored(restored bool) {
	if restored {
		c.log.Info("a provider takes a key again that it had refused", "provider", c.Provider.Name, "own", c.Own, "tenant", c.req.Tenant,
			"key", c.key.key.Fingerprint())
	}
}

// keyOwner is the label of metrics that tells the platform's keys from the tenants' own.
func keyOwner(own bool) string {
	if own {
		return "tenant"
	}
	return "platform"
}
