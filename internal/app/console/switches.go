package console

import (
	"net/http"
	"slices"
	"time"

	"parley/internal/app/operate"
)

func (c *Console) serveSwitches(q *call) (any, error) { return c.opt.Desk.Switchboard(q.Context()) }

// switching is what a page asks of the switch; times are like 2h.
type switching struct {
	To, ID             string
	Tenants, Providers []string
	Reason, For, Ramp  string
	Force              bool
}

func (c *Console) serveDrill(q *call) (any, error) { return c.degrade(q, true) }

func (c *Console) serveDegrade(q *call) (any, error) { return c.degrade(q, false) }

func (c *Console) degrade(q *call, drill bool) (any, error) {
	in, err := take[switching](q)
	if err != nil {
		return nil, err
	}
	o := operate.DegradeOptions{To: in.To, ID: in.ID, Tenants: in.Tenants, Providers: in.Providers, Reason: in.Reason, Drill: drill, Force: in.Force}
	if o.For, err = lasting("for", in.For, 7*24*time.Hour); err != nil {
		return nil, err
	}
	if o.Ramp, err = lasting("ramp", in.Ramp, 24*time.Hour); err != nil {
		return nil, err
	}
	if o.Ramp > o.For {
		return nil, invalid("ramp: it is the last part of for, and cannot be longer")
	}
	if len(in.To) > 200 || len(in.ID) > 64 || slices.ContainsFunc(slices.Concat(in.Tenants, in.Providers), func(s string) bool { return len(s) > 64 }) {
		return nil, invalid("a name is too long")
	}
	if !drill {
		if err := c.mayChange(in.Reason); err != nil {
			return nil, err
		}
		defer c.status.forget()
	}
	return acted(c.opt.Desk.Degrade(q.Context(), c.env(q.session.name), o))
}

func (c *Console) serveRestore(q *call) (any, error) {
	in, err := take[struct {
		IDs          []string
		Reason, Ramp string
	}](q)
	if err != nil {
		return nil, err
	}
	o := operate.RestoreOptions{IDs: in.IDs, Reason: in.Reason}
	if o.Ramp, err = lasting("ramp", in.Ramp, 24*time.Hour); err != nil {
		return nil, err
	}
	if err := c.mayChange(in.Reason); err != nil {
		return nil, err
	}
	defer c.status.forget()
	return acted(c.opt.Desk.Restore(q.Context(), c.env(q.session.name), o))
}

// mayChange asks for a reason, and for documents that are the console's to change.
func (c *Console) mayChange(reason string) error {
	if c.opt.ReadOnly {
		return refusal{http.StatusForbidden, "read_only", "the live documents here are your own: the console of parley dev shows them and never writes them"}
	}
	return reasoned(reason)
}

// acted gives a change that failed with how far it came.
func acted(s operate.Switching, err error) (any, error) {
	if err != nil {
		return nil, withAct{err, s}
	}
	return s, nil
}

// lasting reads a length of time; empty is none.
func lasting(what, s string, most time.Duration) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d > most {
		return 0, invalid("%s: a time from 1s to %v, like 15m", what, most)
	}
	return d, nil
}
