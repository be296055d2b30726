package console

import (
	"context"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

// mostLetters bounds how many dead letters one request deals with.
const mostLetters = 1000

func (c *Console) serveDead(q *call) (any, error) {
	o := operate.DeadOptions{Tenant: q.URL.Query().Get("tenant"), For: q.URL.Query().Get("for")}
	if err := o.Check(); err != nil {
		return nil, invalid("%s", err)
	}
	letters, err := c.opt.Desk.Dead(q.Context(), o)
	if err != nil {
		return nil, err
	}
	return map[string]any{"letters": letters[:min(len(letters), mostLetters)], "more": max(0, len(letters)-mostLetters)}, nil
}

func (c *Console) serveRetry(q *call) (any, error) { return c.deal(q, c.opt.Desk.Retry) }

func (c *Console) serveDrop(q *call) (any, error) { return c.deal(q, c.opt.Desk.Drop) }

func (c *Console) deal(q *call, do func(context.Context, wire.Env, operate.DeadOptions) ([]string, error)) (any, error) {
	in, err := take[struct {
		IDs    []string
		Reason string
	}](q)
	if err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > mostLetters {
		return nil, invalid("ids: name 1 to %d dead letters", mostLetters)
	}
	o := operate.DeadOptions{IDs: in.IDs, Reason: in.Reason}
	if err := o.Check(); err != nil {
		return nil, invalid("%s", err)
	}
	if err := reasoned(in.Reason); err != nil {
		return nil, err
	}
	defer c.status.forget()
	done, err := do(q.Context(), c.env(q.session.name), o)
	if err != nil {
		return nil, withAct{err, map[string]any{"done": done}}
	}
	return map[string]any{"done": done}, nil
}
