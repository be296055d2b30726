package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
)

// defaultOutput is what an answer is thought to come to where the tenant does not cap it, in tokens.
const defaultOutput = 1000

// reserve sets aside what a try may come to, if the tenant's document caps a day. It is asked again when a new try would outlast the
// reservation. Without the store nothing is asked of a model: what the turn would cost could be neither checked nor stored.
func (a *asking) reserve(turn context.Context, req chat.Request) error {
	limits := a.t.Limits
	if limits.TokensPerDay <= 0 && limits.UserPerDay <= 0 {
		return nil
	}
	if time.Until(a.tally.held) >= a.Turn() {
		return nil
	}
	output := req.MaxOutput
	if output <= 0 {
		output = defaultOutput
	}
	r := Reservation{
		Tenant: req.Tenant, User: req.User, Turn: req.Turn, Fence: a.c.Fence, Tokens: promptTokens(req) + output,
		For: min(2*a.Turn(), maxHold), PerDay: limits.TokensPerDay, UserCap: limits.UserPerDay,
	}
	began := time.Now()
	got, err := insist(turn, a.Service, "reserve", func(ctx context.Context) (Granted, error) { return a.Store.Reserve(ctx, r) })
	a.metrics.step("reserve", began)
	switch {
	case err != nil:
		if a.tally.reserved == nil {
			a.tally.reserved = &r // perhaps: to settle it frees it
		}
		return err
	case got.Grant == GrantOK:
		a.tally.reserved, a.tally.held = &r, began.Add(r.For)
		return nil
	case got.Grant == GrantUserFull:
		return &errCap{got, limits.UserPerDay}
	case got.Grant == GrantTenantFull:
		return &errCap{got, limits.TokensPerDay}
	default:
		return errHeld
	}
}

// unreserve gives what a try did not use back to others while the message waits; the next try reserves anew. If that fails, the reservation
// stays and ends by itself.
func (a *asking) unreserve(ctx context.Context) {
	if time.Until(a.tally.held) <= 0 {
		return
	}
	r := *a.tally.reserved
	r.Tokens, r.For = 1, time.Millisecond // which takes the place of the other
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := a.Store.Reserve(ctx, r); err != nil {
		a.metrics.storeErrors.WithLabelValues("reserve").Inc()
	}
	a.tally.held = time.Time{} // also with an error: it may have been carried out
}

// settleFor bounds how long a reply waits for its cost to be settled; a reservation that is not ends by itself.
const settleFor = 3 * time.Second

// accountFor bounds how long a turn that is over tries to tell what it has spent.
const accountFor = 10 * time.Second

// settle counts what a turn has spent against the day's caps.
func (s *Service) settle(ctx context.Context, sum *tally) error {
	if sum.reserved == nil || sum.settled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	began := time.Now()
	_, err := insist(ctx, s, "settle", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.Store.Settle(ctx, *sum.reserved, sum.sum())
	})
	s.metrics.step("settle", began)
	sum.settled = err == nil
	return err
}

// account tells the store what a turn has spent that no commit will tell: another owner has the conversation, or it was handed over, or the
// store did not answer in time. It is bounded; what cannot be told is counted as lost.
func (s *Service) account(ctx context.Context, c *Claim, sum *tally) {
	if !sum.unfinished() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), accountFor)
	defer cancel()
	done, err := s.slot(ctx)
	if err != nil {
		s.unaccounted(c, sum, err)
		return
	}
	defer done()
	go func() {
		select {
		case <-s.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = s.settle(ctx, sum)
	if !sum.counted && len(sum.spent) > 0 {
		_, failed := insist(ctx, s, "spend", func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.Store.Spend(ctx, *c, sum.user, sum.spent)
		})
		sum.counted = failed == nil
		err = errors.Join(err, failed)
	}
	if err != nil {
		s.unaccounted(c, sum, err)
	}
}

func (s *Service) unaccounted(c *Claim, sum *tally, err error) {
	if !sum.counted {
		s.metrics.unaccounted.WithLabelValues(s.metrics.tenant(c.Key.Tenant)).Add(float64(sum.sum()))
	}
	s.Log.Error("what a turn has spent could not be told to the store", "tenant", c.Key.Tenant, "channel", c.Key.Channel, "turn", turnID(c),
		"tokens", sum.sum(), "in_usage", sum.counted, "in_budget", sum.reserved == nil || sum.settled, "err", err)
}
