package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// work goes on with a claimed conversation, message after message, until it is released, lost or handed over.
func (s *Service) work(parent context.Context, r *running, c *Claim) {
	for next := c; next != nil; {
		c := next
		within, span := s.traced(parent, c)
		own, lose := context.WithCancelCause(within)
		compute, stop := context.WithCancelCause(own) // a stop ends this message's computing only, and does not hide what ends own
		s.mu.Lock()
		r.fence, r.lose, r.stop = c.Fence, lose, stop
		s.mu.Unlock()
		var err error
		sum := newTally(c, false)
		next, err = s.turn(own, compute, c, sum)
		span.End(err)
		stop(nil)
		lose(nil)
		switch {
		case err == nil && next != nil && errors.Is(context.Cause(own), errLost): // it was given back while the step that brought it answered
			s.release(parent, next)
			next = nil
		case err == nil:
		case errors.Is(err, ErrFenced), errors.Is(err, errLost):
			s.metrics.fenced.Inc()
			next = nil
		case errors.Is(err, errPostponed):
			next = nil
		case errors.Is(err, errUnsent):
			s.giveBack(parent, func(ctx context.Context) error { return s.Store.Postpone(ctx, *c, Postponement{}) })
			next = nil
		default:
			s.release(parent, c)
			next = nil
		}
		s.account(parent, c, sum)
		if next != nil && !s.goesOn(parent, next) {
			next = nil
		}
	}
}

// slot waits until few enough others tell the store what they leave behind. It fails when ctx or a shutdown's time is over.
func (s *Service) slot(ctx context.Context) (done func(), err error) {
	select {
	case s.handing <- struct{}{}:
	case <-s.over:
		return nil, errHandover
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done = func() { <-s.handing }
	select {
	case <-s.over:
		done()
		return nil, errHandover
	default:
		return done, nil
	}
}

// release gives the conversation back for another replica to go on with.
func (s *Service) release(ctx context.Context, c *Claim) {
	s.giveBack(ctx, func(ctx context.Context) error { return s.Store.Release(ctx, *c) })
}

func (s *Service) giveBack(ctx context.Context, step func(context.Context) error) {
	ctx = context.WithoutCancel(ctx)
	done, err := s.slot(ctx)
	if err != nil {
		return
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := step(ctx); err != nil && !errors.Is(err, ErrFenced) {
		s.metrics.storeErrors.WithLabelValues("release").Inc() // the lease's end brings it back
	}
}

// turn deals with the head message of a claimed conversation: compute and commit unless that was done before, then deliver.
// compute is own until the person stops the answer.
func (s *Service) turn(own, compute context.Context, c *Claim, sum *tally) (*Claim, error) {
	t, ok := s.Directory.Tenant(c.Key.Tenant)
	if !ok {
		return nil, errHandover
	}
	outlet, ok := s.Directory.Outlet(c.Key.Tenant, c.Key.Channel)
	if !ok {
		return s.abandon(own, t, c)
	}
	if c.Unfinished != nil {
		return s.resume(own, t, outlet, c)
	}
	s.metrics.steps.WithLabelValues("mailbox").Observe(max(0, c.Message.Age(c.Now).Seconds()))
	began := time.Now()
	compute, span := s.Trace.Start(compute, "answer", telemetry.Internal)
	res, err := s.answer(compute, t, outlet, c, sum)
	span.End(err)
	if err != nil {
		return nil, err
	}
	s.metrics.step("answer", began)
	return s.reply(own, t, outlet, c, sum, res)
}

// reply commits what a turn came to, and delivers it.
func (s *Service) reply(own context.Context, t *chat.Tenant, outlet Outlet, c *Claim, sum *tally, res *result) (*Claim, error) {
	parts, err := outlet.Parts(c.Message.Message, res.text, c.Fence)
	if err != nil {
		s.logOf(c).Error("making the parts of a reply failed", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "err", err)
		res.out.Dead = "parts"
	}
	_ = s.settle(own, sum) // account makes up for it; the reply does not wait longer
	res.out.Parts, res.out.Keep, res.out.Claim = parts, keep(t), s.replyOptions(t, outlet)
	res.out.User, res.out.Spent = sum.user, sum.spent
	next, err := s.commit(own, c, res.out)
	if chat.KindOf(err) == chat.Invalid && err != nil { // it would be refused for ever
		s.logOf(c).Error("the store refuses a turn's outcome; the message is kept as a dead letter", "tenant", t.Name, "turn", turnID(c), "err", err)
		parts = nil
		next, err = s.commit(own, c, Outcome{
			State: c.State, Dead: "refused", Keep: keep(t), Claim: s.claimOptions(t), User: sum.user, Spent: sum.spent,
		})
	}
	if err != nil {
		return nil, err
	}
	sum.counted = true
	s.metrics.turns.WithLabelValues(s.metrics.tenant(t.Name), res.result).Inc()
	if len(parts) == 0 {
		return next.Claim, nil
	}
	d := &delivery{Service: s, t: t, outlet: outlet, c: c, parts: parts, intended: true, wait: next.Wait}
	return d.run(own)
}

// abandon ends a message whose channel is not configured any more: there is no way to the person.
func (s *Service) abandon(own context.Context, t *chat.Tenant, c *Claim) (*Claim, error) {
	s.logOf(c).Error("a message's channel is gone from its tenant's document; it is kept as a dead letter",
		"tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c))
	if c.Unfinished != nil {
		return s.giveUp(own, t, c, "no_channel")
	}
	next, err := s.commit(own, c, Outcome{State: c.State, Dead: "no_channel", Keep: keep(t), Claim: s.claimOptions(t)})
	if err != nil {
		return nil, err
	}
	s.metrics.turns.WithLabelValues(s.metrics.tenant(t.Name), "no_channel").Inc()
	return next.Claim, nil
}

func keep(t *chat.Tenant) Keep {
	return Keep{Turns: t.History.Turns, Bytes: t.History.Bytes, TTL: t.History.TTL, Dead: deadFor}
}

// turnID names a turn over all its attempts.
func turnID(c *Claim) string {
	return opaque(c.Key.Tenant, c.Key.Channel, c.Key.ID, c.Message.ID)
}

// commit stores the outcome. A stop does not interrupt it: the answer is there.
func (s *Service) commit(own context.Context, c *Claim, o Outcome) (Next, error) {
	began := time.Now()
	own, span := s.Trace.Start(own, "commit", telemetry.Client)
	next, err := insist(own, s, "commit", func(ctx context.Context) (Next, error) { return s.Store.Commit(ctx, *c, o) })
	s.metrics.step("commit", began)
	span.End(err)
	return next, err
}

// insist repeats an idempotent step of the store until it answers, refuses it, or the conversation is lost or handed over: then the next
// owner finds either state.
func insist[T any](own context.Context, s *Service, step string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := linger(own, time.Second)
	defer cancel()
	for try := 0; ; try++ {
		v, err := f(ctx)
		if err == nil || errors.Is(err, ErrFenced) || chat.KindOf(err) == chat.Invalid {
			return v, err
		}
		s.metrics.storeErrors.WithLabelValues(step).Inc()
		if cause := context.Cause(own); cause != nil {
			return v, cause
		}
		if perr := s.Pause(own, min(50*time.Millisecond<<min(try, 5), time.Second)); perr != nil {
			return v, context.Cause(own)
		}
	}
}

// linger is ctx with a little more time after its end, for a call that is under way.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() { stop(); cancel() }
}
