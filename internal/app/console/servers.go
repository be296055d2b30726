package console

import (
	"context"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

type weighing struct {
	Server string
	Weight float64
	Reason string
	Force  bool
}

func (c *Console) serveDrain(q *call) (any, error) { return c.weigh(q, c.opt.Desk.Drain) }

func (c *Console) serveUndrain(q *call) (any, error) { return c.weigh(q, c.opt.Desk.Undrain) }

func (c *Console) weigh(q *call, do func(context.Context, wire.Env, operate.DrainOptions) error) (any, error) {
	in, err := take[weighing](q)
	if err != nil {
		return nil, err
	}
	if err := reasoned(in.Reason); err != nil {
		return nil, err
	}
	defer c.status.forget()
	err = do(q.Context(), c.env(q.session.name), operate.DrainOptions{Server: in.Server, Weight: in.Weight, Reason: in.Reason, Force: in.Force})
	return struct{}{}, err
}
