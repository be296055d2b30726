package conversation

import (
	"context"
	"errors"
	"strconv"
	"time"

	"parley/internal/chat"
)

// asking is one message's way to an answer: from server to server, and through waiting for a free place.
type asking struct {
	*Service
	t        *chat.Tenant // as its document stands at this try
	outlet   Outlet
	c        *Claim
	live     *live
	tally    *tally
	pictures []chat.Picture // of the question
	attempt  int
	since    time.Time // its acceptance
	until    time.Time // nobody waits for a place any longer
	queued   bool      // it has waited
	waits    int
	waited   time.Duration // for a free place, in all
	why      string        // what it waited for last, in the metrics' word

	standing *standing // in its line; nil: in none
	found    bool      // the last place came after standing in line
	let      bool      // the history was let go: the next try reads it again
	direct   *direct   // nil: it is a message of a conversation
}

// Why a message goes without an answer that no server refused.
var (
	errLate  = errors.New("conversation: no free place within max_wait")
	errHeld  = errors.New("conversation: turns in flight have reserved what is left of the day's budget")
	errCrowd = errors.New("conversation: too many of the tenant's turns wait in this process; this one waits in the mailbox")
	errTurn  = errors.New("conversation: its turn to ask for a place") // which ends a pause
)

// errBusy says that a message would have to wait too long for a place.
type errBusy struct{ wait time.Duration }

// Error implements error.
func (e *errBusy) Error() string {
	return "conversation: no free place is to be expected within " + e.wait.Round(time.Second).String()
}

// errCap says that a day's budget is spent.
type errCap struct {
	Granted
	limit int
}

// Error implements error.
func (e *errCap) Error() string {
	return "conversation: the cap of tokens a day is reached: " + string(e.Grant)
}

// ask gets the model's answer and turns every way in which that can fail into a text.
func (s *Service) ask(ctx context.Context, t *chat.Tenant, outlet Outlet, c *Claim, sum *tally) (*result, error) {
	a := &asking{
		Service: s, t: t, outlet: outlet, c: c, live: newLive(s, outlet, c), tally: sum, attempt: c.Attempt,
		since: time.Now().Add(-c.Message.Age(c.Now)), until: time.Now().Add(s.Turn()),
	}
	if most := t.Limits.MaxWait; most > 0 {
		a.until = a.since.Add(most)
	}
	reply, err := a.complete(ctx)
	a.placed(false)
	a.live.close()
	if a.queued {
		s.room.dequeue(t.Name)
	}
	if err == nil {
		return a.answered(reply), nil
	}
	return a.unanswered(ctx, err)
}

// answered is a reply with what the person must know of it in its first lines.
func (a *asking) answered(reply chat.Reply) *result {
	res := &result{result: "answered", text: reply.Text, out: Outcome{State: a.c.State}}
	if a.waited >= tellAfter && a.outlet.Live() == 0 {
		res.text = text(a.t, "waited", "seconds", strconv.Itoa(int(a.waited.Seconds()))) + "\n\n" + res.text
	}
	res.out.State.Noted = ""
	if reply.Degraded {
		res.out.State.Noted = reply.Provider
		if a.c.State.Noted != reply.Provider { // the person is told once
			res.text = text(a.t, "degraded", "model", reply.Model) + "\n\n" + res.text
		}
	}
	res.text = marked(a.t, res.text)
	res.out.Turn = &chat.Turn{
		Question: question(a.t, a.c.Message.Message), Answer: reply.Text, At: a.c.Now,
		QuestionTokens: reply.QuestionTokens, AnswerTokens: reply.AnswerTokens,
	}
	return res
}

func (a *asking) unanswered(ctx context.Context, err error) (*result, error) {
	res := &result{out: Outcome{State: a.c.State}}
	switch cause := context.Cause(ctx); { // lost or handed over, if not stopped
	case errors.Is(cause, errStopped):
		a.live.settle() // the person may ask to be forgotten next
		res.result, res.text = "stopped", text(a.t, "stopped")
		if partial := a.live.text(); a.outlet.Live() > 0 && partial != "" {
			res.text = marked(a.t, partial+"\n\n"+text(a.t, "stopped"))
		}
		return res, nil
	case errors.Is(cause, errSuspend):
		res.result, res.text = "suspended", text(a.t, "suspended")
		return res, nil
	case cause != nil:
		return res, cause
	case errors.Is(err, errHandover), errors.Is(err, errCrowd):
		return res, err
	}
	if errors.Is(err, errRefused) {
		res.result, res.text = "refused", text(a.t, "refused")
		return res, nil
	}
	if full, ok := errors.AsType[*errCap](err); ok {
		res.result = "cap_" + string(full.Grant)
		res.text = text(a.t, res.result, "limit", strconv.Itoa(full.limit), "when", DayOf(full.Opens).Begins().Format("2006-01-02 15:04"))
		a.metrics.caps.WithLabelValues(a.metrics.tenant(a.t.Name), string(full.Grant)).Inc()
		return res, nil
	}
	if busy, ok := errors.AsType[*errBusy](err); ok {
		res.result, res.text = "crowded", crowded(a.t, busy.wait)
		return res, nil
	}
	kind := chat.KindOf(err)
	name := textOf(kind)
	res.result = kind.String()
	if errors.Is(err, errLate) {
		res.result, name = "late", "late"
	}
	if p, ok := errors.AsType[*pictureError](err); ok {
		res.result, name = "picture", p.text
	} else if e, ok := errors.AsType[*chat.Error](err); ok && e.Code == chat.CodeNoVision {
		res.result, name = e.Code, e.Code
	}
	a.logOf(a.c).Warn("a turn failed", "tenant", a.t.Name, "channel", a.c.Key.Channel, "turn", turnID(a.c), "attempt", a.c.Attempt, "kind", res.result, "err", err)
	res.text = text(a.t, name)
	return res, nil
}

// maxInstanceFailures is how often a turn replaces an instance that failed: at once, and then after growing pauses, in which those that died
// together with it are found out.
const maxInstanceFailures = 7

// complete gets an answer. Where nothing failed and there is only no free place, the message waits; that is no attempt, and the turn's time
// begins anew after it.
func (a *asking) complete(ctx context.Context) (chat.Reply, error) {
	free, err := a.look(ctx)
	defer free()
	if err != nil {
		return chat.Reply{}, err
	}
	for {
		if err := a.stand(ctx); err != nil {
			return chat.Reply{}, err
		}
		began := time.Now()
		reply, err := a.servers(ctx)
		e, _ := errors.AsType[*chat.Error](err)
		reason := noPlace(err, e)
		if err == nil || reason == "" || a.direct.final() {
			return reply, err
		}
		if err := a.wait(ctx, reason, began, e); err != nil {
			return reply, err
		}
	}
}

// servers asks one server after the other, within a turn's time. Only failures of an instance are tried again here, on another one: what a
// provider refused was already retried or fallen back from by the server.
func (a *asking) servers(ctx context.Context) (chat.Reply, error) {
	turn, cancel := context.WithTimeout(ctx, a.Turn())
	defer cancel()
	for failures := 0; ; a.attempt++ {
		reply, err := a.try(turn)
		if err == nil {
			return reply, nil
		}
		if turn.Err() != nil {
			return reply, chat.E(chat.KindOf(turn.Err()), "conversation.complete", err)
		}
		if e, ok := errors.AsType[*chat.Error](err); !ok || e.Code != chat.CodeInstance || noPlace(err, e) != "" || a.direct.final() {
			return reply, err
		}
		if failures++; failures >= maxInstanceFailures {
			return reply, err
		}
		if failures > 1 && a.Pause(turn, a.growing(failures-2, 2*time.Second)) != nil {
			return reply, err
		}
	}
}

// try asks one server once, within the day's budget. The tenant's document is read anew: much may have changed while the message waited, such
// as who may see its data.
func (a *asking) try(turn context.Context) (chat.Reply, error) {
	if t, ok := a.Directory.Tenant(a.t.Name); ok {
		a.t = t
	}
	if err := a.recall(turn); err != nil {
		return chat.Reply{}, err
	}
	req := a.request()
	if err := a.reserve(turn, req); err != nil {
		return chat.Reply{}, err
	}
	a.tally.begin(req)
	before := len(a.tally.spent)
	ctx, stop := context.WithCancel(turn)
	defer stop()
	guard := a.guard(req, stop)
	reply, err := a.Complete.Complete(ctx, req, func(e chat.Event) {
		if e.Kind == chat.Started {
			a.placed(true)
			a.letGo()
		}
		a.tally.event(e)
		if e, seen := guard.event(e); seen {
			a.live.event(e)
			a.direct.event(e)
		}
	})
	a.tally.end(reply, err, ctx.Err() != nil, guard.partial(a.live.text()))
	a.metrics.spent(a.t.Name, a.tally.spent[before:])
	return guard.pass(turn, reply, err)
}

// letGo forgets the history once a server has it: the answer may take minutes, and the history is most of what a turn holds meanwhile.
func (a *asking) letGo() {
	if len(a.c.History) > 0 {
		a.c.History, a.let = nil, true
	}
}

// recall reads a history again that was let go, for the next server.
func (a *asking) recall(turn context.Context) (err error) {
	if !a.let {
		return nil
	}
	a.c.History, err = insist(turn, a.Service, "history", func(ctx context.Context) ([]chat.Turn, error) {
		return a.Store.History(ctx, *a.c, a.claimOptions(a.t).HistoryTurns)
	})
	a.let = err != nil
	return err
}

func (a *asking) request() chat.Request {
	req := request(a.t, a.outlet, a.c)
	req.Images = a.pictures
	if a.direct != nil {
		req = a.direct.request(a.t, a.c)
	}
	req.Attempt = a.attempt
	return req
}

func request(t *chat.Tenant, outlet Outlet, c *Claim) chat.Request {
	return chat.Request{
		Tenant:       t.Name,
		Conversation: opaque(c.Key.Tenant, c.Key.Channel, c.Key.ID),
		Turn:         turnID(c),
		User:         userID(c),
		Model:        model(t, c),
		System:       t.System,
		History:      c.History,
		Question:     question(t, c.Message.Message),
		Keys:         t.Keys,
		Providers:    t.Providers,
		MaxOutput:    t.Limits.MaxOutput,
		MaxPrompt:    t.Limits.MaxPrompt,
		Deltas:       outlet.Live() > 0,
		DeltaGap:     outlet.Live(),
	}
}

// userID names a person in requests and in usage, without saying who it is.
func userID(c *Claim) string { return opaque(c.Key.Tenant, c.Message.User) }

// growing is a pause that is longer each time, up to most, and not in step with others.
func (s *Service) growing(n int, most time.Duration) time.Duration {
	d := min(250*time.Millisecond<<min(n, 8), most)
	return d/2 + time.Duration(s.dice.Int64N(int64(d/2)))
}
