package openai

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// deltaGap is the least time between two pieces of an answer; the first goes at once.
const deltaGap = 20 * time.Millisecond

// complete answers POST /v1/chat/completions.
func (e *Entry) complete(w http.ResponseWriter, r *http.Request, in door) {
	began := time.Now()
	e.metrics.running.Inc()
	defer e.metrics.running.Dec()
	want, done, f := e.want(w, r, in)
	if f != nil {
		e.refuse(w, in.c.tenant, f)
		return
	}
	defer done()
	head := head{id: "chatcmpl-" + rand.Text(), created: began.Unix(), model: want.Model}
	want.Turn = head.id
	h := w.Header()
	h.Set("X-Request-Id", head.id)
	if len(want.ignored) > 0 {
		h.Set("X-Parley-Ignored", strings.Join(want.ignored, ", "))
	}
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	ctx, span := e.opt.Deps.Trace.Start(ctx, "POST /v1/chat/completions", telemetry.Server)
	if span.On() {
		span.Set(telemetry.String("parley.tenant", in.c.tenant), telemetry.String("parley.turn", head.id))
	}
	out := newAnswer(w, head, want, leave, func() { e.metrics.first.Observe(time.Since(began).Seconds()) })
	err := in.c.direct.Complete(ctx, want.Request, out.event)
	span.End(err)
	status := http.StatusOK
	if err != nil {
		f := failureOf(err)
		e.complain(r, in, head.id, f, err)
		status = out.fail(f)
	}
	if r.Context().Err() != nil {
		status = chat.Canceled.HTTPStatus()
	}
	out.close()
	e.metrics.answered(in.c.tenant, status)
}

// want reads a request and judges it by what the tenant has; done frees what it holds.
func (e *Entry) want(w http.ResponseWriter, r *http.Request, in door) (want wish, done func(), f *failure) {
	body, done, f := e.bodies.read(w, r)
	if f != nil {
		return want, nil, f
	}
	q, f := parse(body)
	if f == nil {
		want, f = q.read()
	}
	if f == nil {
		f = in.c.permits(r.Context(), in.k, &want)
	}
	if f != nil {
		done()
		return want, nil, f
	}
	want.Tenant, want.User, want.DeltaGap = in.c.tenant, in.k.user, deltaGap
	return want, done, nil
}

// permits judges what only the tenant's document and the budget of the key can tell.
func (c *Channel) permits(ctx context.Context, k *key, want *wish) *failure {
	models, f := c.choices()
	if f != nil {
		return f
	}
	if !slices.Contains(models, want.Model) {
		return unknownModel(want.Model)
	}
	t, ok := c.direct.Tenant(c.tenant)
	if !ok {
		return suspended()
	}
	if most := t.Limits.MaxInput; most > 0 && utf8.RuneCountInString(want.Question) > most {
		f := invalid("messages", fmt.Sprintf("The last message of the user has more than %d characters, which is the most.", most))
		f.code = "string_above_max_length"
		return f
	}
	n := c.perMinute
	if n < 0 {
		n = t.Limits.UserPerMinute
	}
	wait, ok, err := c.allow(ctx, k, n)
	switch {
	case err != nil:
		return unavailable("It cannot be told how many requests were made with this key, since the store does not answer. Try again soon.", time.Second)
	case !ok:
		return &failure{status: http.StatusTooManyRequests, typ: typeRate, code: "rate_limit_exceeded", after: max(wait, time.Second),
			message: fmt.Sprintf("Rate limit reached for this key: %d requests a minute.", n)}
	}
	return nil
}

// answer writes what comes of a completion. Its methods but heartbeats are called from one goroutine.
type answer interface {
	event(e chat.Event)
	// fail writes an error and gives the status to count.
	fail(f *failure) int
	// close ends it; nothing is written any more.
	close()
}

func newAnswer(w http.ResponseWriter, h head, want wish, leave context.CancelFunc, first func()) answer {
	if want.stream {
		return newStream(w, h, want.usage, leave, first)
	}
	return &oneAnswer{w: w, head: h, first: first}
}

// oneAnswer is an answer without streaming.
type oneAnswer struct {
	w     http.ResponseWriter
	head  head
	first func()
}

func (a *oneAnswer) event(e chat.Event) {
	if e.Kind != chat.Finished {
		return
	}
	a.first()
	tellModel(a.w.Header(), e.Reply.Start)
	writeJSON(a.w, http.StatusOK, a.head.whole(make([]byte, 0, 512+len(e.Reply.Text)), e.Reply))
	_ = http.NewResponseController(a.w).Flush() // what it cost is stored only now
}

func (a *oneAnswer) fail(f *failure) int {
	f.write(a.w)
	return f.status
}

func (a *oneAnswer) close() {}

// tellModel says who answered: the model that was asked for is a class, behind which there may be any.
func tellModel(h http.Header, s chat.Start) {
	h.Set("X-Parley-Model", s.Provider+"/"+s.Model)
	if s.Degraded {
		h.Set("X-Parley-Degraded", "true")
	}
}
