package simulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// call is one completion as the server saw it.
type call struct {
	id       string // message, a dot, and a number
	start    chat.Start
	history  int
	before   string // the history that it was given, as turns has it
	text     string
	end      string // answered, or the error's kind and code
	told     []chat.Spend
	toldTo   *process
	canceled bool
	began    time.Time
	fence    int64 // of the claim that it is for; 0: it was lost before
	ended    bool
}

// asked is one call under way at a server: what fate has for it.
type asked struct {
	*process
	*call
	message string
	emit    func(chat.Event)
	d       *dice
	fate    fate
	bad     bool // it ends without an answer
	how     int  // and how
	took    time.Duration
}

// Complete implements conversation.Completer: one try at one server of the fleet.
func (p *process) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	w := p.w
	id := req.Question[strings.LastIndex(req.Question, "ask ")+len("ask "):] // the newest of those that are one
	d := w.cup.dice("complete", id)
	a := &asked{process: p, message: id, emit: emit, d: d, fate: w.fate(p, act{op: "complete", key: id})}
	a.bad = d.chance(.25*min(w.plan.Rate, 2)) && w.plan.Kinds[Model] && w.storming()
	a.how, a.took = d.below(12), d.between(50*time.Millisecond, 2500*time.Millisecond)
	if d.chance(.1) {
		a.took *= 4
	}
	if err := a.here(); err != nil {
		return chat.Reply{}, err
	}
	if a.fate.killBefore && w.may(Kill) {
		p.kill("before asking "+id, a.fate.again)
	}
	if a.fate.freezeBefore && w.may(Freeze) {
		p.freeze("before asking "+id, a.fate.standing)
	}
	if err := a.here(); err != nil {
		return chat.Reply{}, err
	}
	if err := a.pick(req); err != nil {
		return chat.Reply{}, err
	}
	defer func() { w.locked(func() { w.ledger.ended(a.call, id, p) }) }()
	return a.serve(ctx, len(req.History))
}

// here blocks as the process's gate does.
func (a *asked) here() error { return a.pass("call " + a.message) }

// pick chooses the provider as the server's route table says, and judges it by the test's own reading of what was in force.
func (a *asked) pick(req chat.Request) error {
	w, now := a.w, time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	a.call = w.ledger.called(a.message, req, a.process)
	doc := w.fleet.known[a.d.below(len(w.fleet.known))]
	want, degraded := doc.provider(req.Tenant, now)
	var parsed *route.Degradation
	if doc != nil {
		parsed = doc.parsed
	}
	choices, err := w.fleet.table.Pick(route.Want{Tenant: req.Tenant, Class: req.Model, Conversation: req.Conversation, Now: now}, parsed)
	if err != nil || choices[0].Provider.Name != want || (choices[0].Switch != nil) != degraded {
		w.fault("%s: the route is %v (%v), want %s", a.message, choices, err, want)
		return chat.E(chat.Internal, "simulate.complete", err)
	}
	a.start = chat.Start{Provider: want, Model: choices[0].Model + "~" + a.id, Degraded: degraded}
	return nil
}

// serve answers or fails.
func (a *asked) serve(ctx context.Context, history int) (chat.Reply, error) {
	if a.bad { // before anybody answers
		if sleep(ctx, a.took/10) != nil {
			return a.cut(ctx)
		}
		switch a.how {
		case 0, 1:
			return a.fail(chat.Unavailable, chat.CodeInstance, 0)
		case 2:
			return a.fail(chat.Overloaded, chat.CodeInstance, 0)
		case 3:
			return a.fail(chat.Unavailable, chat.CodeNoInstance, 0)
		case 4, 5:
			return a.fail(chat.RateLimited, chat.CodeKeysBusy, oneOf(a.d, 0, a.d.between(0, 3*time.Second)))
		}
	}
	a.emit(chat.Event{Kind: chat.Started, Start: a.start})
	a.w.note(a.name, "call %s: %s begins, %d turns of history", a.id, a.start.Provider, history)
	if a.bad {
		return a.breakOff(ctx)
	}
	return a.answer(ctx)
}

// breakOff fails when the answer has begun.
func (a *asked) breakOff(ctx context.Context) (chat.Reply, error) {
	a.emit(chat.Event{Kind: chat.Delta, Text: "half of"})
	switch a.how {
	case 6, 7, 9:
		if sleep(ctx, a.took) != nil {
			return a.cut(ctx)
		}
		if a.how == 9 {
			a.spend(true)
			return a.fail(chat.Rejected, "content", 0)
		}
		return a.fail(chat.Unavailable, chat.CodeInstance, 0) // the server dies with its answer
	case 8: // it hangs
		<-ctx.Done()
		return a.cut(ctx)
	case 10:
		return a.fail(chat.Timeout, "", 0)
	default:
		a.spend(true)
		return a.fail(oneOf(a.d, chat.Internal, chat.RateLimited, chat.Billing), "", 0)
	}
}

func (a *asked) answer(ctx context.Context) (chat.Reply, error) {
	text := fmt.Sprintf("<answer %s %s>", a.id, a.start.Provider) + strings.Repeat("x", a.d.below(80))
	a.w.locked(func() { a.text = text })
	for i := range 2 {
		if sleep(ctx, a.took/2) != nil {
			return a.cut(ctx)
		}
		a.emit(chat.Event{Kind: chat.Delta, Text: text[i*len(text)/2 : (i+1)*len(text)/2]})
	}
	if a.fate.killAfter && a.w.may(Kill) {
		a.kill("with the answer to "+a.message, a.fate.again)
	}
	if a.fate.freezeAfter && a.w.may(Freeze) {
		a.freeze("with the answer to "+a.message, a.fate.standing)
	}
	usage := a.spend(a.d.chance(.8)) // an older server tells the cost with the answer alone
	if err := a.here(); err != nil {
		return chat.Reply{}, err
	}
	return chat.Reply{Start: a.start, Text: text, FinishReason: "stop", Usage: usage}, nil
}

// spend charges for the call, if its process lives to hear it.
func (a *asked) spend(event bool) chat.Usage {
	s := chat.Spend{Provider: a.start.Provider, Model: a.start.Model, Usage: chat.Usage{Input: 20 + a.d.below(50), Output: 10 + a.d.below(50)}}
	if a.here() == nil {
		if event {
			a.emit(chat.Event{Kind: chat.Spent, Spend: s})
		}
		a.w.ledger.told(a.call, a.process, s)
	}
	return s.Usage
}

func (a *asked) fail(kind chat.Kind, code string, after time.Duration) (chat.Reply, error) {
	e := chat.E(kind, "simulate.complete", errors.New("simulated"))
	e.Code, e.RetryAfter = code, after
	a.w.locked(func() { a.end = e.Error() })
	a.w.note(a.name, "call %s: %v", a.id, e)
	if gone := a.here(); gone != nil {
		return chat.Reply{}, gone
	}
	return chat.Reply{}, e
}

// cut is the end of a call whose caller gave up.
func (a *asked) cut(ctx context.Context) (chat.Reply, error) {
	a.w.locked(func() { a.canceled = true })
	return a.fail(chat.KindOf(ctx.Err()), "", 0)
}
