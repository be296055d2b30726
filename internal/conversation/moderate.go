package conversation

import (
	"context"
	"errors"
	"strings"

	"parley/internal/chat"
)

// errRefused says that moderation lets nobody see a question's answer, or a model the question.
var errRefused = errors.New("conversation: moderation refuses the text")

// moderator is who judges a tenant's texts; nil: nobody.
func (s *Service) moderator(tenant string) chat.Moderator {
	if s.Moderation == nil {
		return nil
	}
	return s.Moderation(tenant)
}

// judge has a text judged, counts the verdict, and tells the log of every one that is not plain consent.
func (s *Service) judge(ctx context.Context, by chat.Moderator, p chat.Passage) chat.Verdict {
	v := by.Judge(ctx, p)
	if v.By != "" && ctx.Err() == nil {
		s.judged(p, v)
	}
	return v
}

func (s *Service) judged(p chat.Passage, v chat.Verdict) {
	s.metrics.moderated.WithLabelValues(s.metrics.tenant(p.Tenant), string(p.Direction), v.By, v.Result).Inc()
	if v.Result != "allowed" {
		s.Log.Info("moderation", "tenant", p.Tenant, "channel", p.Channel, "turn", p.Turn, "direction", string(p.Direction), "by", v.By, "result", v.Result, "reason", v.Reason)
	}
}

// screen has a message judged before any model sees it. nil: it may go on, perhaps as another text. It is apart from answer, whose frame waits with
// the turn.
func (s *Service) screen(ctx context.Context, t *chat.Tenant, c *Claim) *result {
	by := s.moderator(t.Name)
	if by == nil {
		return nil
	}
	v := s.judge(ctx, by, passageOf(c, chat.Input, question(t, c.Message.Message)))
	switch {
	case ctx.Err() != nil: // stopped, lost or handed over: what follows says so
	case v.Refused:
		return &result{text: text(t, "refused"), result: "refused", out: Outcome{State: c.State}}
	case v.Replace != nil:
		c.Message.Text, c.Message.Quote = *v.Replace, ""
	}
	return nil
}

// screenDirect has all that a program sends judged at once, also what it says was said before.
func (a *asking) screenDirect(ctx context.Context) error {
	by := a.moderator(a.t.Name)
	if by == nil {
		return nil
	}
	want := a.direct.want
	all := []string{want.System}
	for _, turn := range want.History {
		all = append(all, turn.Question, turn.Answer)
	}
	p := passageOf(a.c, chat.Input, strings.TrimSpace(strings.Join(append(all, want.Question), "\n\n")))
	if want.Turn != "" {
		p.Turn = want.Turn
	}
	if v := a.judge(ctx, by, p); v.Refused || v.Replace != nil { // which of its texts is to be replaced nobody can tell
		return errRefused
	}
	return nil
}

func passageOf(c *Claim, d chat.Direction, text string) chat.Passage {
	return chat.Passage{Direction: d, Tenant: c.Key.Tenant, Channel: c.Key.Channel, Turn: turnID(c), Text: text}
}

// guard stands between an answer that is coming and whoever sees it. Its methods are called from one goroutine at a time.
type guard struct {
	a      *asking
	by     chat.Moderator
	filter chat.Filter        // nil: what comes is shown
	raw    strings.Builder    // all that came, shown or not
	stop   context.CancelFunc // ends the provider's stream
	hit    bool
	about  chat.Passage
}

// guard watches over one try; nil: nobody judges.
func (a *asking) guard(req chat.Request, stop context.CancelFunc) *guard {
	by := a.moderator(a.t.Name)
	if by == nil {
		return nil
	}
	g := &guard{a: a, by: by, stop: stop, about: passageOf(a.c, chat.Output, "")}
	g.about.Turn = req.Turn
	return g
}

// event gives the event as it may be seen; false: not at all.
func (g *guard) event(e chat.Event) (chat.Event, bool) {
	if g == nil {
		return e, true
	}
	switch e.Kind {
	case chat.Started:
		g.raw.Reset()
		g.filter = g.by.Filter()
	case chat.Delta:
		g.raw.WriteString(e.Text)
		if g.hit || g.filter == nil {
			return e, !g.hit
		}
		if e.Text, g.hit = g.filter.Add(e.Text); g.hit {
			g.stop()
			return e, false
		}
		return e, e.Text != ""
	default:
	}
	return e, true
}

// partial is how far the answer came, for what it cost.
func (g *guard) partial(shown string) string {
	if g == nil {
		return shown
	}
	return g.raw.String()
}

// pass has the whole answer judged, once it is there, and gives it as it may be seen.
func (g *guard) pass(ctx context.Context, reply chat.Reply, err error) (chat.Reply, error) {
	if g == nil {
		return reply, err
	}
	if g.hit {
		g.a.judged(g.about, chat.Verdict{By: "words", Result: "refused"})
		return reply, errRefused
	}
	if err != nil {
		return reply, err
	}
	g.about.Text = reply.Text
	v := g.a.judge(ctx, g.by, g.about)
	switch {
	case ctx.Err() != nil:
		return reply, ctx.Err()
	case v.Refused:
		return reply, errRefused
	case v.Replace != nil:
		reply.Text, reply.AnswerTokens = *v.Replace, 0
	case g.filter != nil:
		if rest, _ := g.filter.End(); rest != "" {
			g.a.direct.event(chat.Event{Kind: chat.Delta, Text: rest})
		}
	}
	return reply, nil
}
