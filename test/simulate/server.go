package simulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// fleet are the servers: each knows the operators' document as it last reached it.
type fleet struct {
	w     *world
	table *route.Table
	known [3]*document
}

// document is a revision of the operators' switch: as the product reads it, and what it means in the test's own words.
type document struct {
	parsed *route.Degradation
	active bool
	tenant string // empty: all
	until  time.Time
}

var table = sync.OnceValue(func() *route.Table {
	t, err := route.Parse([]byte(`
providers:
  openai:  {dialect: simulated}
  chatglm: {dialect: simulated}
models:
  chat: [openai/gpt, chatglm/glm]
`), route.Options{Dialects: []string{"simulated"}, Resolve: func(string) (chat.Secret, error) { return chat.Secret{}, errors.New("no keys") }})
	if err != nil {
		panic(err)
	}
	return t
})

// flip publishes a new document; it reaches each server in its own time.
func (f *fleet) flip() {
	d := f.w.cup.dice("flip")
	doc := &document{active: d.chance(.6), tenant: oneOf(d, "", "", "acme")}
	if d.chance(.3) {
		doc.until = time.Now().Add(d.between(time.Second, 20*time.Second)).Truncate(time.Second)
	}
	tenants, until := "[]", ""
	if doc.tenant != "" {
		tenants = "[" + doc.tenant + "]"
	}
	if !doc.until.IsZero() {
		until = doc.until.UTC().Format(time.RFC3339)
	}
	text := fmt.Sprintf("switches:\n  - {id: all, active: %v, to: chatglm, tenants: %s, until: %q}\n", doc.active, tenants, until)
	var err error
	if doc.parsed, err = route.ParseDegradation([]byte(text), "", ""); err != nil {
		f.w.fault("a switch cannot be read: %v", err)
		return
	}
	f.w.note("operator", "publishes %s", strings.TrimSpace(text))
	for i := range f.known {
		time.AfterFunc(d.between(0, time.Second), func() {
			f.w.mu.Lock()
			defer f.w.mu.Unlock()
			f.known[i] = doc
		})
	}
}

// provider is who must answer, by the test's own reading of the document.
func (d *document) provider(tenant string, now time.Time) (name string, degraded bool) {
	if d != nil && d.active && (d.tenant == "" || d.tenant == tenant) && (d.until.IsZero() || now.Before(d.until)) {
		return "chatglm", true
	}
	return "openai", false
}

// call is one completion as the server saw it.
type call struct {
	id       string // message, a dot, and a number
	start    chat.Start
	history  int
	text     string
	end      string // answered, or the error's kind and code
	told     []chat.Spend
	toldTo   *process
	canceled bool
	began    time.Time
	fence    int64 // of the claim that it is for; 0: it was lost before
}

// Complete implements conversation.Completer: one try at one server of the fleet.
func (p *process) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	w := p.w
	id, _ := strings.CutPrefix(req.Question, "ask ")
	d := w.cup.dice("complete", id)
	fa := w.fate(p, act{op: "complete", key: id})
	bad := d.chance(.25*min(w.plan.Rate, 2)) && w.plan.Kinds[Model] && w.storming()
	how, took := d.below(12), d.between(50*time.Millisecond, 2500*time.Millisecond)
	if d.chance(.1) {
		took *= 4
	}
	if err := p.pass("call " + id); err != nil {
		return chat.Reply{}, err
	}
	if fa.killBefore && w.may(Kill) {
		p.kill("before asking "+id, fa.again)
	}
	if fa.freezeBefore && w.may(Freeze) {
		p.freeze("before asking "+id, fa.standing)
	}
	if err := p.pass("call " + id); err != nil {
		return chat.Reply{}, err
	}
	w.mu.Lock()
	now := time.Now()
	c := w.ledger.called(id, req, p)
	doc := w.fleet.known[d.below(len(w.fleet.known))]
	want, degraded := doc.provider(req.Tenant, now)
	var parsed *route.Degradation
	if doc != nil {
		parsed = doc.parsed
	}
	choices, err := w.fleet.table.Pick(route.Want{Tenant: req.Tenant, Class: req.Model, Conversation: req.Conversation, Now: now}, parsed)
	w.mu.Unlock()
	if err != nil || choices[0].Provider.Name != want || (choices[0].Switch != nil) != degraded {
		w.fault("%s: the route is %v (%v), want %s", id, choices, err, want)
		return chat.Reply{}, chat.E(chat.Internal, "simulate.complete", err)
	}
	defer func() { w.locked(func() { w.ledger.ended(c, id, p) }) }()
	w.locked(func() { c.start = chat.Start{Provider: want, Model: choices[0].Model + "~" + c.id, Degraded: degraded} })
	fail := func(kind chat.Kind, code string, after time.Duration) (chat.Reply, error) {
		e := chat.E(kind, "simulate.complete", errors.New("simulated"))
		e.Code, e.RetryAfter = code, after
		w.locked(func() { c.end = e.Error() })
		w.note(p.name, "call %s: %v", c.id, e)
		if gone := p.pass("call " + id); gone != nil {
			return chat.Reply{}, gone
		}
		return chat.Reply{}, e
	}
	spend := func() {
		s := chat.Spend{Provider: want, Model: c.start.Model, Usage: chat.Usage{Input: 20 + d.below(50), Output: 10 + d.below(50)}}
		if p.pass("call "+id) == nil {
			emit(chat.Event{Kind: chat.Spent, Spend: s})
			w.ledger.told(c, p, s)
		}
	}
	cut := func() (chat.Reply, error) {
		w.locked(func() { c.canceled = true })
		return fail(chat.KindOf(ctx.Err()), "", 0)
	}
	wait := func(d time.Duration) bool { return sleep(ctx, d) == nil }
	if bad { // before anybody answers
		if !wait(took / 10) {
			return cut()
		}
		switch how {
		case 0, 1:
			return fail(chat.Unavailable, chat.CodeInstance, 0)
		case 2:
			return fail(chat.Overloaded, chat.CodeInstance, 0)
		case 3:
			return fail(chat.Unavailable, chat.CodeNoInstance, 0)
		case 4, 5:
			return fail(chat.RateLimited, chat.CodeKeysBusy, oneOf(d, 0, d.between(0, 3*time.Second)))
		}
	}
	emit(chat.Event{Kind: chat.Started, Start: c.start})
	w.note(p.name, "call %s: %s begins, %d turns of history", c.id, want, len(req.History))
	if bad {
		emit(chat.Event{Kind: chat.Delta, Text: "half of"})
		switch how {
		case 6, 7: // the server dies with its answer
			if !wait(took) {
				return cut()
			}
			return fail(chat.Unavailable, chat.CodeInstance, 0)
		case 8:
			<-ctx.Done() // hangs
			return cut()
		case 9:
			if !wait(took) {
				return cut()
			}
			spend()
			return fail(chat.Rejected, "content", 0)
		case 10:
			return fail(chat.Timeout, "", 0)
		default:
			spend()
			return fail(oneOf(d, chat.Internal, chat.RateLimited, chat.Billing), "", 0)
		}
	}
	text := fmt.Sprintf("<answer %s %s>", c.id, want) + strings.Repeat("x", d.below(80))
	w.locked(func() { c.text = text })
	for i := range 2 {
		if !wait(took / 2) {
			return cut()
		}
		emit(chat.Event{Kind: chat.Delta, Text: text[i*len(text)/2 : (i+1)*len(text)/2]})
	}
	if fa.killAfter && w.may(Kill) {
		p.kill("with the answer to "+id, fa.again)
	}
	if fa.freezeAfter && w.may(Freeze) {
		p.freeze("with the answer to "+id, fa.standing)
	}
	if d.chance(.2) { // an older server tells the cost with the answer
		s := chat.Spend{Provider: want, Model: c.start.Model, Usage: chat.Usage{Input: 20 + d.below(50), Output: 10 + d.below(50)}}
		if err := p.pass("call " + id); err != nil {
			return chat.Reply{}, err
		}
		w.ledger.told(c, p, s)
		return chat.Reply{Start: c.start, Text: text, FinishReason: "stop", Usage: s.Usage}, nil
	}
	spend()
	if err := p.pass("call " + id); err != nil {
		return chat.Reply{}, err
	}
	return chat.Reply{Start: c.start, Text: text, FinishReason: "stop", Usage: c.told[len(c.told)-1].Usage}, nil
}
