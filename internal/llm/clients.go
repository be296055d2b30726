package llm

import (
	"fmt"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// client is an endpoint's Provider and how it fares.
type client struct {
	Provider
	*health
}

// clients keeps one client per endpoint over changes of the table, so that a change of a route costs no connection and forgets no breaker.
type clients struct {
	dialects map[string]Factory
	mu       sync.Mutex
	table    *route.Table
	open     map[Endpoint]client
}

func endpoint(p *route.Provider, t *route.Table) Endpoint {
	return Endpoint{Name: p.Name, Dialect: p.Dialect, BaseURL: p.BaseURL, Auth: p.Auth, AppID: p.AppID,
		PriorKnowledge: p.PriorKnowledge, Connect: t.Deadlines().Connect}
}

// use makes t the table in force: clients that it has no more use for are closed. Turns that began under an older table may still get theirs.
func (c *clients) use(t *route.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.table != t {
		c.table = t
		c.prune(t)
	}
}

// get gives the client of a provider of a table.
func (c *clients) get(t *route.Table, p *route.Provider) (client, error) {
	e := endpoint(p, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.open[e]; ok {
		return v, nil
	}
	dial, ok := c.dialects[e.Dialect]
	if !ok {
		return client{}, chat.E(chat.Internal, opComplete, fmt.Errorf("provider %s has the dialect %q, which this server does not have", e.Name, e.Dialect))
	}
	v, err := dial(e)
	if err != nil {
		return client{}, chat.E(chat.Internal, opComplete, fmt.Errorf("provider %s: %w", e.Name, err))
	}
	c.open[e] = client{v, newHealth()}
	return c.open[e], nil
}

// shut reports whether the breaker of a table's provider keeps turns away.
func (c *clients) shut(t *route.Table, p *route.Provider, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.open[endpoint(p, t)]
	return ok && !v.admits(now)
}

func (c *clients) prune(t *route.Table) {
	used := map[Endpoint]bool{}
	if t != nil {
		for _, p := range t.Providers() {
			used[endpoint(p, t)] = true
		}
	}
	for e, v := range c.open {
		if used[e] {
			continue
		}
		delete(c.open, e)
		if v, ok := v.Provider.(interface{ Close() }); ok {
			v.Close()
		}
	}
}

// close drops every client.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prune(nil)
}
