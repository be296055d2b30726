package conversation

import (
	"context"
	"errors"
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// inPlace is the longest pause between two tries that a turn sits out in its place; for a longer one its reply is postponed.
const inPlace = 5 * time.Second

// delivery is a committed reply on its way out.
type delivery struct {
	*Service
	t      *chat.Tenant
	outlet Outlet
	c      *Claim
	parts  []chat.Part
	part   int // the next to send

	intended bool          // the intent to make the try that comes is stored
	wait     time.Duration // before that try, as the channel's pace wants it
	left     bool          // the reply was committed by another owner
	tries    int           // of this part that failed
	maybe    time.Time     // when the part may have been shown first; zero: it certainly was not
}

// What became of a part, as the metric has it.
const (
	sent          = "sent"
	ambiguous     = "ambiguous"
	undeliverable = "undeliverable" // nobody can mend it
	givenUp       = "given_up"      // nobody mended it for as long as replies are kept
	dropped       = "dropped"       // it would have to wait, and somebody behind it wants to be forgotten
)

// resume goes on with a reply that was committed before.
func (s *Service) resume(own context.Context, t *chat.Tenant, outlet Outlet, c *Claim) (*Claim, error) {
	u := c.Unfinished
	d := &delivery{Service: s, t: t, outlet: outlet, c: c, parts: u.Parts, part: u.Next, left: true, tries: u.Tries}
	if age := c.Now.Sub(u.Since); age >= 0 {
		d.maybe = time.Now().Add(-age)
	}
	return d.run(own)
}

// run sends the reply's parts and returns the next claim of the conversation, if there is one.
func (d *delivery) run(own context.Context) (*Claim, error) {
	for {
		result, err := d.send(own)
		if err != nil {
			return nil, err
		}
		d.metrics.sends.WithLabelValues(d.metrics.tenant(d.t.Name), result).Inc()
		switch result {
		case ambiguous:
			d.metrics.ambiguous.WithLabelValues(d.metrics.tenant(d.t.Name)).Inc()
			d.Log.Warn("a part of a reply may or may not have been shown; it is not sent again", d.names()...)
		case givenUp:
			d.Log.Error("a reply could not be sent for as long as replies are kept; its message is kept as a dead letter", d.names()...)
			return d.giveUp(own, d.t, d.c, "undeliverable")
		case dropped: // their own letters go with the command that comes next
			d.Log.Info("a reply that the platform refuses is given up: somebody behind it wants to be forgotten", d.names()...)
			return d.giveUp(own, d.t, d.c, "forget")
		}
		began := time.Now()
		next, err := insist(own, d.Service, "delivered", func(ctx context.Context) (Next, error) {
			return d.Store.Delivered(ctx, *d.c, d.part, d.replyOptions(d.t, d.outlet))
		})
		d.metrics.step("delivered", began)
		if err != nil {
			return nil, err
		}
		if d.part++; d.part == len(d.parts) {
			d.metrics.step("reply", time.Now().Add(-max(0, time.Since(d.c.Message.AcceptedAt))))
			return next.Claim, nil
		}
		d.intended, d.wait, d.tries, d.maybe = true, next.Wait, 0, time.Time{}
	}
}

// names are what a log line says of the part.
func (d *delivery) names(more ...any) []any {
	return append([]any{"tenant", d.t.Name, "channel", d.c.Key.Channel, "turn", turnID(d.c), "part", d.part, logged(d.c)}, more...)
}

// giveUp ends a message whose reply cannot be delivered: it is kept as a dead letter.
func (s *Service) giveUp(own context.Context, t *chat.Tenant, c *Claim, reason string) (*Claim, error) {
	next, err := insist(own, s, "give_up", func(ctx context.Context) (Next, error) {
		return s.Store.GiveUp(ctx, *c, reason, deadFor, s.claimOptions(t))
	})
	return next.Claim, err
}

// send sends one part until the platform takes it or refuses it for good. What may pass is tried again, here after a short pause, later after
// a long one: then the error is errPostponed. Once the part may have been shown, it is sent again only as long as the platform would notice
// the repetition. Other errors say that the conversation is lost or handed over, with the part's fate left to the next owner.
func (d *delivery) send(own context.Context) (result string, err error) {
	ctx, cancel := linger(own, 2*time.Second)
	defer cancel()
	for {
		if !d.maybe.IsZero() && !d.resendable(time.Since(d.maybe)) {
			return ambiguous, nil
		}
		e, shut, err := d.try(own, ctx)
		switch {
		case err != nil:
			return "", d.unsent(err)
		case e == nil && shut == 0:
			return sent, nil
		case e != nil && !e.Maybe && !mayPass(e.Kind):
			d.Log.Error("a part of a reply cannot be delivered", d.names("tries", d.tries, "err", e)...)
			return undeliverable, nil
		case time.Since(d.c.Message.AcceptedAt) > d.SendFor:
			return givenUp, nil
		case shut > 0:
			if d.c.Forget {
				return dropped, nil
			}
			return d.postpone(own, shut, "blocked")
		}
		pause := max(d.Backoff(d.tries-1), e.RetryAfter)
		if pause > inPlace {
			d.Log.Warn("sending a part of a reply failed, it is postponed", d.names("tries", d.tries, "err", e)...)
			if d.c.Forget {
				return dropped, nil
			}
			return d.postpone(own, d.spread(pause), "failed")
		}
		d.Log.Warn("sending a part of a reply failed, trying again", d.names("tries", d.tries, "err", e)...)
		if err := d.Pause(own, pause); err != nil {
			return "", d.unsent(context.Cause(own))
		}
		if now, ok := d.Directory.Outlet(d.c.Key.Tenant, d.c.Key.Channel); ok {
			d.outlet = now // an operator may have mended its secret
		}
	}
}

// resendable reports whether the part may be sent again without the person seeing it twice.
func (d *delivery) resendable(age time.Duration) bool {
	if o, ok := d.outlet.(PartResender); ok {
		return o.PartResendable(d.parts[d.part], age)
	}
	return d.outlet.Resendable(age)
}

// try makes one try. shut: the channel refuses all that is sent, and the reply is to wait that long; then a try was perhaps not made.
// err: own has ended, or the store has another owner.
func (d *delivery) try(own, ctx context.Context) (e *chat.Error, shut time.Duration, err error) {
	gate := d.gates.at(d.c.Key)
	probe := false
	if !d.c.Forget { // whose last try this is
		if probe, shut = gate.enter(d.left); shut > 0 {
			return nil, shut, nil
		}
	}
	if err := d.intend(own); err != nil {
		gate.turnBack(probe)
		return nil, 0, err
	}
	began := time.Now()
	ctx, span := d.Trace.Start(ctx, "send", telemetry.Client)
	if span.On() {
		span.Set(telemetry.Int("parley.part", d.part), telemetry.Int("parley.tries", d.tries))
	}
	err = d.outlet.Send(ctx, d.c.Message.Message, d.parts[d.part])
	span.End(err)
	d.metrics.step("send", began)
	d.intended = false
	if err == nil {
		gate.leave(probe, nil)
		return nil, 0, nil
	}
	e = asError(err)
	d.metrics.sendErrors.WithLabelValues(d.metrics.tenant(d.t.Name), e.Kind.String(), d.metrics.codes.label(e.Code)).Inc()
	d.tries++
	if e.Maybe && d.maybe.IsZero() {
		d.maybe = began
	}
	if cause := context.Cause(own); cause != nil {
		gate.turnBack(probe)
		return nil, 0, cause
	}
	return e, gate.leave(probe, e), nil
}

// intend stores the intent to make a try, unless the step before has, and waits until the channel's pace has a place for it.
func (d *delivery) intend(own context.Context) error {
	if !d.intended {
		next, err := insist(own, d.Service, "intend", func(ctx context.Context) (Next, error) { return d.Store.Intend(ctx, *d.c, d.outlet.Pace()) })
		if err != nil {
			return err
		}
		d.intended, d.wait = true, next.Wait
	}
	if d.wait > 0 {
		d.metrics.channel(d.metrics.paced, d.t.Name, d.c.Key.Channel).Add(d.wait.Seconds())
		_ = d.Pause(own, d.wait)
		d.wait = 0
	}
	return context.Cause(own) // lost: its new owner sends it
}

// postpone gives the conversation back until the next try is due.
func (d *delivery) postpone(own context.Context, pause time.Duration, reason string) (string, error) {
	_, err := insist(own, d.Service, "postpone", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.Store.Postpone(ctx, *d.c, Postponement{For: pause, Maybe: !d.maybe.IsZero(), Tries: d.tries})
	})
	if err != nil {
		return "", d.unsent(err)
	}
	d.metrics.channel(d.metrics.postponements, d.t.Name, d.c.Key.Channel, reason).Inc()
	return "", errPostponed
}

// unsent tells of a part that certainly was not shown: whoever it is handed over to need not wonder.
func (d *delivery) unsent(err error) error {
	if errors.Is(err, errHandover) && d.maybe.IsZero() {
		return errUnsent
	}
	return err
}

// mayPass says which failures to send are worth waiting for: what passes by itself, and what an operator can mend (a wrong secret, a
// caller's address that the platform does not trust, a licence).
func mayPass(k chat.Kind) bool {
	return k.Retryable() || k == chat.Unauthenticated || k == chat.Forbidden || k == chat.Billing
}

func asError(err error) *chat.Error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	return chat.E(chat.KindOf(err), "conversation.send", err)
}
