package llm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// turn is one Complete on its way over choices and keys.
type turn struct {
	*Service
	table    *route.Table
	req      chat.Request
	question int // tokens
	emit     func(chat.Event) error
	calls    int
	visible  bool // the person has seen a piece of an answer
	failures []*chat.Error
}

// run tries the choices in order. It goes on to another only while the person has seen nothing of an answer.
func (t *turn) run(ctx context.Context, choices []route.Choice) error {
	for i, c := range choices {
		start := chat.Start{Provider: c.Provider.Name, Model: c.Model, Revision: t.table.Revision(),
			Degraded: c.Switch != nil, Fallback: i > 0}
		for again := true; again && t.calls < maxAttempts; {
			before := t.calls
			failure := t.try(ctx, c, start)
			if failure == nil {
				return nil
			}
			t.failures = append(t.failures, failure)
			if ctx.Err() != nil || t.visible || !mayFallBack(failure.Kind) {
				return failure
			}
			// The key that failed rests now, so that the next try takes another; without a call, none was free. The last call is for
			// the next choice, however many keys this one has.
			again = keyFault(failure.Kind) && len(c.Keys) > 1 && t.calls > before && (i+1 == len(choices) || t.calls < maxAttempts-1)
		}
		if last := t.failures[len(t.failures)-1]; i+1 < len(choices) && t.calls < maxAttempts {
			t.metrics.fallbacks.WithLabelValues(c.Provider.Name, last.Kind.String()).Inc()
			t.log.WarnContext(ctx, "falling back to the next choice", "provider", c.Provider.Name, "model", c.Model, "error", last,
				"tenant", t.req.Tenant, "conversation", t.req.Conversation, "turn", t.req.Turn)
		}
	}
	return t.verdict()
}

// mayFallBack: the failure is this choice's own; another choice may do better.
func mayFallBack(k chat.Kind) bool {
	switch k {
	case chat.Unauthenticated, chat.Forbidden, chat.Billing, chat.NotFound, chat.TooLarge:
		return true
	}
	return k.Retryable()
}

// keyFault: another key of the same provider may do better.
func keyFault(k chat.Kind) bool {
	return k == chat.Unauthenticated || k == chat.Billing || k == chat.RateLimited
}

// verdict is the error of a turn whose choices all failed: the first one after which a later try makes sense, else the first.
func (t *turn) verdict() error {
	if len(t.failures) == 1 {
		return t.failures[0]
	}
	first := t.failures[0]
	causes := make([]error, len(t.failures))
	for i, f := range t.failures {
		causes[i] = f
		if !first.Kind.Retryable() && f.Kind.Retryable() {
			first = f
		}
	}
	return &chat.Error{Kind: first.Kind, Op: opComplete, Code: first.Code, RetryAfter: first.RetryAfter,
		Err: fmt.Errorf("every choice failed: %w", errors.Join(causes...))}
}

// try makes one call if a key is free and the question fits.
func (t *turn) try(ctx context.Context, c route.Choice, start chat.Start) *chat.Error {
	p, err := t.tokens.fit(t.req, c, t.question)
	if err != nil {
		return asError(err)
	}
	client, err := t.clients.get(t.table, c.Provider)
	if err != nil {
		return asError(err)
	}
	key, err := t.keys.take(c)
	if err != nil {
		return asError(err)
	}
	t.calls++
	running := t.metrics.inFlight.WithLabelValues(c.Provider.Name)
	running.Inc()
	defer running.Dec()
	began := time.Now()
	failure := t.call(ctx, client, c, key.key, p, start)
	t.keys.give(key, errorOrNil(failure))
	if failure != nil && (failure.Kind == chat.Unauthenticated || failure.Kind == chat.Billing) {
		t.log.ErrorContext(ctx, "a provider refuses a key; an operator has to act", "provider", c.Provider.Name, "own", c.Own, "tenant", t.req.Tenant,
			"key", key.key.Fingerprint(), "kind", failure.Kind.String(), "code", failure.Code)
	}
	t.metrics.ended(c, began, errorOrNil(failure))
	return failure
}

// gone marks an error of emit: nobody listens any more.
type gone struct{ error }

func (g gone) Unwrap() error { return g.error }

func (t *turn) call(ctx context.Context, client Provider, c route.Choice, key chat.Secret, p prompt, start chat.Start) *chat.Error {
	if err := t.emit(chat.Event{Kind: chat.Started, Start: start}); err != nil {
		return chat.E(chat.Canceled, opComplete, err)
	}
	d := t.table.Deadlines()
	callCtx, w := newWatch(ctx, d.FirstToken, d.Idle)
	defer w.stop()
	began, first := time.Now(), true
	answer, err := client.Complete(callCtx, t.newCall(c, key, p), func(text string) error {
		w.alive()
		if first && text != "" {
			first = false
			t.metrics.first.WithLabelValues(c.Provider.Name, c.Model).Observe(time.Since(began).Seconds())
		}
		if text == "" || !t.req.Deltas {
			return nil
		}
		t.visible = true
		if err := t.emit(chat.Event{Kind: chat.Delta, Text: text}); err != nil {
			return gone{err}
		}
		return nil
	})
	if err == nil && answer.Text == "" {
		err = chat.E(chat.Unavailable, opComplete, errors.New("the provider gave an empty answer"))
	}
	if err != nil {
		return t.explain(callCtx, err)
	}
	return t.finish(c, start, p, answer)
}

func (t *turn) newCall(c route.Choice, key chat.Secret, p prompt) Call {
	return Call{
		ID:    fmt.Sprintf("%s.%d.%d", t.req.Turn, t.req.Attempt, t.calls),
		Model: c.Model, System: t.req.System, History: p.history, Question: t.req.Question,
		MaxOutput: t.req.MaxOutput, User: t.req.User, Key: key,
	}
}

// explain names the true cause: an ended context wins over what the provider's client saw of it.
func (t *turn) explain(ctx context.Context, err error) *chat.Error {
	if g, ok := errors.AsType[gone](err); ok {
		return chat.E(chat.Canceled, opComplete, g.error)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return asError(err)
}

func (t *turn) finish(c route.Choice, start chat.Start, p prompt, a Answer) *chat.Error {
	reply := chat.Reply{Start: start, Text: a.Text, FinishReason: a.FinishReason, Usage: a.Usage,
		QuestionTokens: t.question, AnswerTokens: t.tokens.count(a.Text)}
	if a.Usage == (chat.Usage{}) {
		reply.Usage = chat.Usage{Input: p.tokens, Output: familyOf(c.Model).bound(a.Text, reply.AnswerTokens), Estimated: true}
	}
	t.metrics.used(c, reply.Usage)
	if err := t.emit(chat.Event{Kind: chat.Finished, Reply: reply}); err != nil {
		return chat.E(chat.Canceled, opComplete, err)
	}
	return nil
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
