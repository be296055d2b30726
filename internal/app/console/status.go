package console

import (
	"context"
	"time"

	"parley/internal/app/operate"
)

// StatusAnswer is how things stand: what is wrong first.
type StatusAnswer struct {
	At       time.Time         `json:"at"`
	Troubles []operate.Trouble `json:"troubles"`
	operate.StatusReport
}

// statusFresh is how old a status may be that several pages share.
const statusFresh = 2 * time.Second

func (c *Console) serveStatus(q *call) (any, error) {
	return c.status.get(c.opt.Now(), statusFresh, func() StatusAnswer {
		// Not the first asker's time alone: who else waits for it may be more patient.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), 20*time.Second)
		defer cancel()
		report, _ := c.opt.Desk.Status(ctx) // what is not known says so in the report
		for i := range report.Tenants {
			report.Tenants[i].Usage.Users = nil // everybody who asked today: no page shows them
		}
		now := time.Now()
		return StatusAnswer{now, report.Troubles(now), report}
	}), nil
}
