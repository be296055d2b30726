package conversation

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
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
func (s *Service) answer(ctx context.Context, t *chat.Tenant, outlet Outlet, c Claim) (result, error) {
	say := func(name, outcome string) (result, error) {
		return result{text: text(t, name), result: outcome, out: Outcome{State: c.State}}, nil
	}
	m := c.Message
	switch {
	case c.Attempt > maxAttempts:
		s.Log.Error("giving a message up after its attempts", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "attempts", c.Attempt-1)
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
		return s.command(t, c, cmd), nil
	}
	switch {
	case strings.TrimSpace(m.Text) == "":
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
	return s.ask(ctx, t, outlet, c)
}

// ask gets the model's answer and turns every way in which that can fail into a text.
func (s *Service) ask(ctx context.Context, t *chat.Tenant, outlet Outlet, c Claim) (result, error) {
	turn, cancel := context.WithTimeout(ctx, s.Turn())
	defer cancel()
	live := newLive(s, outlet.Live(), c)
	reply, err := s.complete(turn, request(t, outlet, c), live)
	live.close()
	res := result{out: Outcome{State: c.State}}
	if err == nil {
		s.usage(t, reply.Usage)
		res.result, res.text = "answered", reply.Text
		res.out.State.Noted = ""
		if reply.Degraded {
			res.out.State.Noted = reply.Provider
			if c.State.Noted != reply.Provider { // the person is told once, in the reply's first line
				res.text = text(t, "degraded", "model", reply.Model) + "\n\n" + reply.Text
			}
		}
		res.out.Turn = &chat.Turn{
			Question: c.Message.Text, Answer: reply.Text, At: c.Now,
			QuestionTokens: reply.QuestionTokens, AnswerTokens: reply.AnswerTokens,
		}
		return res, nil
	}
	switch cause := context.Cause(ctx); { // lost or handed over, if not stopped
	case errors.Is(cause, errStopped):
		res.result, res.text = "stopped", text(t, "stopped")
		if partial := live.text(); outlet.Live() > 0 && partial != "" {
			res.text = partial + "\n\n" + text(t, "stopped")
		}
		return res, nil
	case errors.Is(cause, errSuspend):
		res.result, res.text = "suspended", text(t, "suspended")
		return res, nil
	case cause != nil:
		return res, cause
	}
	kind := chat.KindOf(err)
	s.Log.Warn("a turn failed", "tenant", t.Name, "channel", c.Key.Channel, "turn", turnID(c), "attempt", c.Attempt, "kind", kind.String(), "err", err)
	res.result, res.text = kind.String(), text(t, textOf(kind))
	return res, nil
}

func request(t *chat.Tenant, outlet Outlet, c Claim) chat.Request {
	return chat.Request{
		Tenant:       t.Name,
		Conversation: opaque(c.Key.Tenant, c.Key.Channel, c.Key.ID),
		Turn:         turnID(c),
		User:         opaque(c.Key.Tenant, c.Message.User),
		Model:        model(t, c),
		System:       t.System,
		History:      c.History,
		Question:     c.Message.Text,
		Keys:         t.Keys,
		Providers:    t.Providers,
		Deltas:       outlet.Live() > 0,
		DeltaGap:     outlet.Live(),
		Attempt:      c.Attempt,
	}
}

// maxInstanceFailures is how often a turn replaces an instance that failed: at once, and then after growing pauses, in which those that died
// together with it are found out.
const maxInstanceFailures = 7

// noRoom is how long a turn waits for a server, or for room on one: longer each time, and not in step with others.
func noRoom(wait int) time.Duration {
	d := min(250*time.Millisecond<<min(wait, 3), 2*time.Second)
	return d/2 + rand.N(d/2)
}

// complete asks servers until one answers. Only failures of an instance are tried again here, on another one: what a provider refused
// was already retried or fallen back from by the server.
func (s *Service) complete(ctx context.Context, req chat.Request, live *live) (chat.Reply, error) {
	for failures, waits := 0, 0; ; {
		reply, err := s.Complete.Complete(ctx, req, live.event)
		if err == nil {
			return reply, nil
		}
		if ctx.Err() != nil {
			return reply, chat.E(chat.KindOf(ctx.Err()), "conversation.complete", err)
		}
		e, ok := errors.AsType[*chat.Error](err)
		if !ok || e.Code != chat.CodeInstance && e.Code != chat.CodeNoInstance {
			return reply, err
		}
		wait := time.Duration(0)
		switch {
		case e.Code == chat.CodeNoInstance, e.Kind == chat.Overloaded:
			wait = max(noRoom(waits), e.RetryAfter) // until a server comes or the turn's deadline ends it
			waits++
		default:
			if failures++; failures >= maxInstanceFailures {
				return reply, err
			}
			if failures > 1 {
				wait = noRoom(failures - 2)
			}
		}
		if s.Pause(ctx, wait) != nil {
			return reply, err
		}
		req.Attempt++
	}
}

func (s *Service) usage(t *chat.Tenant, u chat.Usage) {
	s.metrics.tokens.WithLabelValues(t.Name, "input").Add(float64(u.Input))
	s.metrics.tokens.WithLabelValues(t.Name, "output").Add(float64(u.Output))
}
