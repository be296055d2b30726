package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
)

// work goes on with a claimed conversation, message after message, until it is released, lost or handed over.
func (s *Service) work(parent context.Context, r *running, c Claim) {
	for next := &c; next != nil; {
		c := *next
		ctx, cancel := context.WithCancelCause(parent) // one a message: a stop ends this one only
		s.mu.Lock()
		r.fence, r.cancel = c.Fence, cancel
		s.mu.Unlock()
		var err error
		next, err = s.turn(ctx, c)
		cancel(nil)
		switch {
		case err == nil:
		case errors.Is(err, ErrFenced), errors.Is(err, errLost):
			s.metrics.fenced.Inc()
			return
		default:
			s.release(parent, c)
			return
		}
	}
}

// release gives the conversation back for another replica to go on with.
func (s *Service) release(ctx context.Context, c Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Store.Release(ctx, c); err != nil && !errors.Is(err, ErrFenced) {
		s.metrics.storeErrors.WithLabelValues("release").Inc() // the lease's end brings it back
	}
}

// turn deals with the head message of a claimed conversation: compute and commit unless that was done before, then deliver.
func (s *Service) turn(ctx context.Context, c Claim) (*Claim, error) {
	t, ok := s.Directory.Tenant(c.Key.Tenant)
	if !ok {
		return nil, errHandover
	}
	outlet, ok := s.Directory.Outlet(c.Key.Tenant, c.Key.Channel)
	if !ok {
		return s.abandon(ctx, t, c)
	}
	if u := c.Unfinished; u != nil {
		return s.deliver(ctx, t, outlet, c, u.Parts, u.Next, c.Now.Sub(u.Since))
	}
	began := time.Now()
	res, err := s.answer(ctx, t, outlet, c)
	if err != nil {
		return nil, err
	}
	s.metrics.step("answer", began)
	s.metrics.step("mailbox", began.Add(-max(0, c.Message.Age(c.Now))))
	parts, err := outlet.Parts(c.Message.Message, res.text, c.Fence)
	if err != nil {
		s.Log.Error("making the parts of a reply failed", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "err", err)
		res.out.Dead = "parts"
	}
	res.out.Parts, res.out.Keep, res.out.Claim = parts, keep(t), s.claimOptions(t)
	next, err := s.commit(ctx, c, res.out)
	if err != nil {
		return nil, err
	}
	s.metrics.turns.WithLabelValues(t.Name, res.result).Inc()
	if len(parts) == 0 {
		return next.Claim, nil
	}
	return s.deliver(ctx, t, outlet, c, parts, 0, -1)
}

// abandon ends a message whose channel is not configured any more: there is no way to the person.
func (s *Service) abandon(ctx context.Context, t *chat.Tenant, c Claim) (*Claim, error) {
	s.Log.Error("a message's channel is gone from its tenant's document; it is kept as a dead letter",
		"tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c))
	next, err := s.commit(ctx, c, Outcome{State: c.State, Dead: "no_channel", Keep: keep(t), Claim: s.claimOptions(t)})
	if err != nil {
		return nil, err
	}
	s.metrics.turns.WithLabelValues(t.Name, "no_channel").Inc()
	return next.Claim, nil
}

func keep(t *chat.Tenant) Keep {
	return Keep{Turns: t.History.Turns, Bytes: t.History.Bytes, TTL: t.History.TTL, Dead: deadFor}
}

// turnID names a turn over all its attempts.
func turnID(c Claim) string {
	return opaque(c.Key.Tenant, c.Key.Channel, c.Key.ID, c.Message.ID)
}

// commit stores the outcome. A stop or a shutdown does not interrupt it: the answer is there. It repeats while the store does not
// answer, for as long as the turn may still be this process's.
func (s *Service) commit(ctx context.Context, c Claim, o Outcome) (Next, error) {
	began := time.Now()
	next, err := insist(ctx, s, "commit", func(ctx context.Context) (Next, error) { return s.Store.Commit(ctx, c, o) })
	s.metrics.step("commit", began)
	return next, err
}

// insist repeats an idempotent step of the store until it answers, or the lease is lost. A handover ends it too: then the next owner
// finds either state.
func insist[T any](ctx context.Context, s *Service, step string, f func(context.Context) (T, error)) (T, error) {
	free, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !errors.Is(cause, errStopped) {
			// Give a step that is under way its short time before the handover.
			time.AfterFunc(time.Second, func() { cancel(cause) })
		}
	})
	defer stop()
	for try := 0; ; try++ {
		v, err := f(free)
		if err == nil || errors.Is(err, ErrFenced) {
			return v, err
		}
		s.metrics.storeErrors.WithLabelValues(step).Inc()
		if cause := context.Cause(free); cause != nil {
			return v, cause
		}
		if perr := s.Pause(free, min(50*time.Millisecond<<min(try, 5), time.Second)); perr != nil {
			return v, perr
		}
	}
}
