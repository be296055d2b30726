package console

import (
	"parley/internal/app/operate"
)

// serveUsage sums up what was spent: ?from= and ?to= are days in Beijing, the last seven by default, ?by= as `parley usage` has it, ?tenant= one or more.
func (c *Console) serveUsage(q *call) (any, error) {
	v := q.URL.Query()
	o := operate.SpendingOptions{By: v.Get("by"), Tenants: v["tenant"]}
	if err := o.Days(v.Get("from"), v.Get("to"), c.opt.Now()); err != nil {
		return nil, invalid("%s", err)
	}
	if err := o.Check(); err != nil {
		return nil, invalid("%s", err)
	}
	return c.opt.Desk.Spending(q.Context(), o)
}
