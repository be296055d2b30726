package llm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

// try makes one call to a choice if the question fits, its breaker admits it and a key is to be had, and records what became of it. A turn waits for
// its answer below this function, minutes long, and its stack with it: what has much to keep has returned by then, here and in what this calls.
func (t *turn) try(ctx context.Context, i int, h how) {
	if e := t.enter(ctx, i, h); e != nil {
		e.try.err = e.run(ctx)
	}
}

// enter gets a call all that it needs; nil: it is not made, for the reason that the try has.
func (t *turn) enter(ctx context.Context, i int, h how) *exchange {
	x := &t.tries[i]
	x.busy, x.shut = false, false
	p, err := t.tokens.fit(t.req, x.Choice, t.question)
	if err != nil {
		x.err = asError(err)
		return nil
	}
	client, err := t.clients.get(t.table, x.Provider)
	if err != nil {
		x.err = asError(err)
		return nil
	}
	x.client = client
	if h != forced && !client.admits(time.Now()) {
		x.keptAway(client.health)
		return nil
	}
	take := t.take
	if h == inLine {
		take = t.await
	}
	key, refusal := take(ctx, x.Choice)
	if refusal != nil {
		x.err, x.busy = refusal, isBusy(refusal)
		return nil
	}
	pass, ok := client.enter(time.Now(), h == forced)
	if !ok { // another turn became the probe
		t.keys.give(key, chat.E(chat.Canceled, opComplete, nil))
		x.keptAway(client.health)
		return nil
	}
	if !x.called {
		client.turn()
	}
	x.called, t.last = true, i
	t.calls++
	if t.calls == 1 {
		t.deadline = time.Now().Add(t.table.Deadlines().Turn)
	}
	return &exchange{turn: t, try: x, key: key, pass: pass, prompt: p, start: t.start(i)}
}

func (x *try) keptAway(h *health) {
	x.shut = true
	x.err = &chat.Error{Kind: chat.Unavailable, Op: opComplete, RetryAfter: max(0, h.rest(time.Now())),
		Err: fmt.Errorf("%s failed so often that turns go past it for now", x.Provider.Name)}
}

func (t *turn) start(i int) chat.Start {
	x := &t.tries[i]
	return chat.Start{Provider: x.Provider.Name, Model: x.Model, Revision: t.table.Revision(), Images: len(t.req.Images),
		Degraded: x.Switch != nil, Fallback: i > 0}
}

// exchange is one call to a provider, with leave of its breaker and with a key.
type exchange struct {
	*turn
	*try
	key    lease
	pass   pass
	prompt prompt
	start  chat.Start
	began  time.Time
	watch  *watch
	answer Answer
	first  time.Duration
	took   time.Duration
	heard  bool // text came
	left   bool // emit failed: nobody listens any more
}

// run makes the call, tells what it cost, and then the answer.
func (c *exchange) run(ctx context.Context) *chat.Error {
	failure := c.make(ctx)
	return c.finish(failure)
}

// finish tells what a call cost, and its answer.
func (c *exchange) finish(failure *chat.Error) *chat.Error {
	counted := 0
	if failure == nil || c.answer.Usage == (chat.Usage{}) {
		counted = c.tokens.count(c.answer.Text)
	}
	usage := c.cost(c.answer, counted)
	if usage != (chat.Usage{}) {
		c.metrics.used(c.Choice, usage)
		spend := chat.Spend{Provider: c.Provider.Name, Model: c.Model, Own: c.Own, Usage: usage}
		if err := c.tell(chat.Event{Kind: chat.Spent, Spend: spend}); failure == nil {
			failure = err
		}
	}
	if failure != nil {
		return failure
	}
	return c.tell(chat.Event{Kind: chat.Finished, Reply: chat.Reply{Start: c.start, Text: c.answer.Text, FinishReason: c.answer.FinishReason,
		Usage: usage, QuestionTokens: c.question, AnswerTokens: counted}})
}

// tell emits an event unless somebody stopped listening before.
func (c *exchange) tell(e chat.Event) *chat.Error {
	if c.left {
		return nil
	}
	if err := c.emit(e); err != nil {
		c.left = true
		return chat.E(chat.Canceled, opComplete, err)
	}
	return nil
}

// make is the call itself. The breakers hear how it ended, also by a panic: then as a call that says nothing.
func (c *exchange) make(ctx context.Context) (failure *chat.Error) {
	c.began = time.Now()
	c.traced(ctx)
	returned := false
	defer func() {
		if !returned {
			failure = chat.E(chat.Internal, opComplete, errors.New("the call did not return"))
		}
		c.ended(ctx, failure)
	}()
	c.metrics.inFlight.WithLabelValues(c.Provider.Name).Inc()
	failure = c.begin()
	if failure == nil {
		failure = c.complete(ctx)
	}
	returned = true
	return failure
}

func (c *exchange) begin() *chat.Error { return c.tell(chat.Event{Kind: chat.Started, Start: c.start}) }

func (c *exchange) ended(ctx context.Context, failure *chat.Error) {
	c.metrics.inFlight.WithLabelValues(c.Provider.Name).Dec()
	c.took = time.Since(c.began)
	c.metrics.ended(c.Choice, c.began, errorOrNil(failure))
	c.told(failure)
	c.settle(ctx, failure)
}

// complete waits for the answer as long as the deadlines allow.
func (c *exchange) complete(ctx context.Context) *chat.Error {
	w := newWatch(ctx, c.deadline, c.table.Deadlines())
	defer w.stop()
	c.watch = w
	err := c.call(w)
	switch {
	case err != nil:
		return c.explain(w, err)
	case c.answer.Text == "":
		return &chat.Error{Kind: chat.Unavailable, Op: opComplete, Code: CodeEmpty, Err: errors.New("the provider gave an empty answer")}
	}
	return nil
}

func (c *exchange) call(ctx context.Context) (err error) {
	c.answer, err = c.client.Complete(ctx, c.request(), c.piece)
	return err
}

func (c *exchange) request() Call {
	return Call{
		ID:    fmt.Sprintf("%s.%d.%d", c.req.Turn, c.req.Attempt, c.calls),
		Model: c.Model, System: c.req.System, History: c.prompt.history, Question: c.req.Question, Images: c.req.Images,
		Sampling: c.req.Sampling, MaxOutput: c.prompt.output, User: c.req.User, Key: c.key.key,
	}
}

// piece passes a piece of the answer on.
func (c *exchange) piece(text string) error {
	c.watch.alive()
	if text == "" {
		return nil
	}
	if !c.heard {
		c.heard = true
		c.first = time.Since(c.began)
		c.metrics.first.WithLabelValues(c.Provider.Name, c.Model).Observe(c.first.Seconds())
		c.metrics.genai.first.WithLabelValues(vendor(c.Provider), c.Model).Observe(c.first.Seconds())
		c.keyRestored(c.keys.accepted(c.key))
	}
	if !c.req.Deltas {
		return nil
	}
	c.visible = true
	if err := c.tell(chat.Event{Kind: chat.Delta, Text: text}); err != nil {
		return gone{err}
	}
	return nil
}

// gone marks an error of emit: nobody listens any more.
type gone struct{ error }

func (g gone) Unwrap() error { return g.error }

// explain names the true cause: an ended context wins over what the provider's client saw of it.
func (c *exchange) explain(ctx context.Context, err error) *chat.Error {
	if g, ok := errors.AsType[gone](err); ok {
		return asError(g.error)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return foreign(asError(err))
}

// foreign is an error as somebody else tells it, without a code that is Parley's own: those make turns wait, or go to another server.
func foreign(e *chat.Error) *chat.Error {
	switch e.Code {
	case chat.CodeKeysBusy, chat.CodeInstance, chat.CodeNoInstance, chat.CodeNoVision:
		return &chat.Error{Kind: e.Kind, Op: e.Op, RetryAfter: e.RetryAfter, Err: e.Err}
	}
	return e
}

// cost is what the provider said that the call took, or, if it said nothing and text came, Parley's own count.
func (c *exchange) cost(a Answer, counted int) chat.Usage {
	if a.Usage != (chat.Usage{}) || a.Text == "" {
		return a.Usage
	}
	return chat.Usage{Input: c.prompt.tokens, Output: familyOf(c.Model).bound(a.Text, counted), Estimated: true}
}

func asError(err error) *chat.Error {
	if e, ok := errors.AsType[*chat.Error](err); ok {
		return e
	}
	return chat.E(chat.KindOf(err), opComplete, err)
}

// errorOrNil keeps a nil *chat.Error from becoming a non-nil error.
func errorOrNil(e *chat.Error) error {
	if e == nil {
		return nil
	}
	return e
}
