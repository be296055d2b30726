package conversation

import (
	"context"
	"unicode/utf8"

	"parley/internal/chat"
)

// result is what a message's turn comes to, before it is cut into parts.
type result struct {
	text   string
	result string // for the metric
	out    Outcome
}

// answer decides whether a message goes to a model and what the person gets. Its error is one of the causes that end a turn without an
// outcome: lost or handed over.
func (s *Service) answer(ctx context.Context, t *chat.Tenant, outlet Outlet, c *Claim, sum *tally) (*result, error) {
	if res, err := s.unasked(ctx, t, c); res != nil || err != nil {
		return res, err
	}
	if res := s.screen(ctx, t, c); res != nil {
		return res, nil
	}
	return s.ask(ctx, t, outlet, c, sum)
}

// unasked answers what needs no model. Both nil: it does. It is apart from answer, whose frame waits with the turn.
func (s *Service) unasked(ctx context.Context, t *chat.Tenant, c *Claim) (*result, error) {
	say := func(name, outcome string) (*result, error) {
		return &result{text: text(t, name), result: outcome, out: Outcome{State: c.State}}, nil
	}
	m := &c.Message
	switch {
	case c.Attempt > maxAttempts:
		s.logOf(c).Error("giving a message up after its attempts", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "attempts", c.Attempt-1)
		r, _ := say("failed", "dead_letter")
		r.out.Dead = "attempts"
		return r, nil
	case t.Suspended:
		return say("suspended", "suspended")
	case m.Kind == chat.KindWelcome:
		return say("welcome", "welcome")
	case m.Kind != chat.KindText:
		return say("unsupported", "unsupported")
	}
	if cmd := parseCommand(m.Text); cmd.name != "" {
		if cmd.name == commandForget {
			return s.forget(ctx, t, c)
		}
		return s.command(ctx, t, c, cmd), nil
	}
	switch {
	case !asks(m.Message):
		return say("help", "blank")
	case c.Stopped:
		return say("stopped", "stopped")
	case m.Shed == ShedRate:
		return say("rate", "shed_rate")
	case m.Shed == ShedBusy:
		return say("busy", "shed_busy")
	case t.Limits.MaxWait > 0 && m.Age(c.Now) > t.Limits.MaxWait:
		return say("late", "late")
	case t.Limits.MaxInput > 0 && utf8.RuneCountInString(m.Text) > t.Limits.MaxInput:
		return say("too_long", "too_long")
	}
	return nil, nil
}
