package conversation

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
)

const (
	// directWait is how long a program's request waits for a free key or server: those who call wait less long than people do.
	directWait = 30 * time.Second
	// seatWait is how long it waits for a seat: what other replicas hold unused comes free within a second.
	seatWait  = 2 * time.Second
	seatPause = 150 * time.Millisecond
	// fullFor is when a caller is to come again that found this process, or its tenant, at its limit.
	fullFor = time.Second
)

// direct is what makes a program's request another thing than a person's message: nothing of it is kept, and text that has left cannot be
// replaced.
type direct struct {
	want  chat.Request
	emit  func(chat.Event)
	shown bool // text has left
}

// Direct answers one request of a program, and keeps nothing of it but what it cost: no history, no mailbox, no lease. It counts among the
// tenant's turns in flight and this process's, waits in line for keys and servers as messages do, and stays within the day's caps. Of want it
// uses Turn (which names it in logs, and must be its own), Tenant, User (whose usage it is; it is hashed here), Model (one of Directory.Models),
// System (which comes after the tenant's own), History, Question, Images, MaxOutput, Sampling, Deltas and DeltaGap; the rest is the tenant's.
//
// emit is called from this goroutine with Started, Delta and Finished; there may be several Started before the first Delta, but none after it: a
// failure after text was emitted is final. The store is told of what was spent a moment later, of what many requests have spent at once; see Settle.
// An answer that moderation ends after its first words is Finished with the reason content_filter, and no error.
// Errors are *chat.Error, those of rpc besides CodeQuota, CodeInFlight, CodeStopped and CodeModerated.
func (s *Service) Direct(ctx context.Context, want chat.Request, emit func(chat.Event)) error {
	t, ok := s.Directory.Tenant(want.Tenant)
	if !ok {
		return chat.E(chat.NotFound, opDirect, nil)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.directs.add(t.Name, cancel)()
	if t, ok = s.Directory.Tenant(want.Tenant); !ok || t.Suspended { // read again: from add on, Suspend would end it
		return stoppedError()
	}
	began := time.Now()
	result, err := s.direct(ctx, t, want, emit)
	s.metrics.turns.WithLabelValues(s.metrics.tenant(t.Name), result).Inc()
	s.metrics.step("direct", began)
	return err
}

const opDirect = "conversation.direct"

// direct gives the metrics' word for what became of the request, too.
func (s *Service) direct(ctx context.Context, t *chat.Tenant, want chat.Request, emit func(chat.Event)) (result string, err error) {
	now := time.Now()
	c := s.directClaim(want)
	c.Now = now
	a := &asking{
		Service: s, t: t, outlet: nowhere{}, c: c, live: newLive(s, nowhere{}, c), tally: newTally(c, true), attempt: 1,
		since: now, until: now.Add(directWait), direct: &direct{want: want, emit: emit},
	}
	leave, err := s.admit(ctx, t)
	if err != nil {
		return a.refusal(ctx, err)
	}
	defer leave()
	defer a.finish(ctx) // also after a panic of emit, which ends this request only
	if err := a.screenDirect(ctx); err != nil {
		return a.refusal(ctx, err)
	}
	reply, err := a.complete(ctx)
	if errors.Is(err, errRefused) && a.direct.shown { // what has left cannot be taken back: it ends there
		end := chat.Reply{Start: reply.Start, FinishReason: "content_filter", Usage: reply.Usage}
		if n := len(a.tally.spent); n > 0 {
			end.Usage = a.tally.spent[n-1].Usage
		}
		emit(chat.Event{Kind: chat.Finished, Reply: end})
		return "refused", nil
	}
	if err != nil {
		return a.refusal(ctx, err)
	}
	emit(chat.Event{Kind: chat.Finished, Reply: reply})
	return "answered", nil
}

// finish takes a program's request out of its line, and sees to it that the store is told what it has spent.
func (a *asking) finish(ctx context.Context) {
	a.placed(false)
	a.live.close()
	if a.queued {
		a.room.dequeue(a.t.Name)
	}
	switch {
	case a.tally.reserved != nil: // it has to be settled by itself
		a.account(ctx, a.c, a.tally)
	case a.tally.unfinished():
		a.directs.bills.add(a.Service, a.c, a.tally)
	}
}

// directClaim stands for a claim where there is no conversation: it names the turn, and whose usage it is. Its fence is one that no claim ever
// has, and no other request of any process; neighbours are used one after the other, because a store marks them in blocks.
func (s *Service) directClaim(want chat.Request) *Claim {
	n := s.directs.last.Add(1)
	key := chat.ConversationKey{Tenant: want.Tenant, ID: strconv.FormatInt(s.directs.base+n, 36)}
	whose := opaque(want.Tenant, want.User)
	return &Claim{
		Key: key, Shard: Shard{Tenant: want.Tenant, Index: int(whose[0]) % Shards}, Fence: s.directs.base + n, Attempt: 1,
		Message: Waiting{Message: chat.Message{ID: key.ID, Conversation: key, User: want.User}}, State: State{Model: want.Model},
	}
}

// request is what a server is asked, as the tenant's document has it now.
func (d *direct) request(t *chat.Tenant, c *Claim) chat.Request {
	req := d.want
	req.Conversation = opaque(c.Key.Tenant, c.Key.Channel, c.Key.ID)
	req.Turn, req.User = cmp.Or(req.Turn, turnID(c)), userID(c)
	if t.System != "" && req.System != "" {
		req.System = t.System + "\n\n" + req.System
	} else {
		req.System = t.System + req.System
	}
	req.Keys, req.Providers, req.MaxPrompt = t.Keys, t.Providers, t.Limits.MaxPrompt
	if most := t.Limits.MaxOutput; most > 0 && (req.MaxOutput <= 0 || req.MaxOutput > most) {
		req.MaxOutput = most
	}
	return req
}

// event passes on who answers, and the text.
func (d *direct) event(e chat.Event) {
	if d == nil || e.Kind != chat.Started && e.Kind != chat.Delta {
		return
	}
	d.shown = d.shown || e.Kind == chat.Delta
	d.emit(e)
}

// final says that nobody else may be asked any more: what the caller has read cannot be taken back.
func (d *direct) final() bool { return d != nil && d.shown }

// admit takes a place in this process and one of the tenant's seats.
func (s *Service) admit(ctx context.Context, t *chat.Tenant) (leave func(), err error) {
	end := time.Now().Add(seatWait)
	for s.room.take(t.Name, 1) == 0 {
		if s.room.undecided() && time.Now().Before(end) { // what a claim does not need comes free at once
			if err := s.Pause(ctx, s.spread(seatPause/10)); err != nil {
				return nil, err
			}
			continue
		}
		s.metrics.places.WithLabelValues(s.metrics.tenant(t.Name), "room").Inc()
		return nil, &chat.Error{Kind: chat.Overloaded, Op: opDirect, RetryAfter: fullFor, Err: errors.New("this process has as many turns as limits.turns allows")}
	}
	for {
		_, got := s.sit(ctx, t, []Shard{{Tenant: t.Name}}, 1)
		if got > 0 {
			break
		}
		switch {
		case len(s.trouble.quiet(seatsOf(t.Name), time.Second)) == 0:
			err = chat.E(chat.Unavailable, opDirect, errors.New("the store does not say how many turns the tenant has in flight"))
		case !time.Now().Before(end):
			err = &chat.Error{Kind: chat.RateLimited, Op: opDirect, Code: chat.CodeInFlight, RetryAfter: fullFor,
				Err: fmt.Errorf("the tenant has %d turns in flight, which is its limit", t.Limits.TurnsInFlight)}
		default:
			err = s.Pause(ctx, s.spread(seatPause))
		}
		if err != nil {
			s.room.claimed(1, 0)
			return nil, err
		}
	}
	s.room.claimed(1, 1)
	s.holdings.claimed(t.Name, 1, 1)
	s.metrics.inFlight.Inc()
	return func() {
		s.metrics.inFlight.Dec()
		s.room.free()
		s.rise(t.Name)
	}, nil
}

// refusal is why a request goes without an answer: for the metrics, and for its caller.
func (a *asking) refusal(ctx context.Context, err error) (result string, out error) {
	later := func(kind chat.Kind, code string, after time.Duration) error {
		return &chat.Error{Kind: kind, Op: opDirect, Code: code, RetryAfter: after, Err: err}
	}
	full, isFull := errors.AsType[*errCap](err)
	busy, isBusy := errors.AsType[*errBusy](err)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSuspend):
		return "suspended", stoppedError()
	case cause != nil:
		return "canceled", chat.E(chat.KindOf(cause), opDirect, cause)
	case errors.Is(err, errRefused):
		return "refused", later(chat.Rejected, chat.CodeModerated, 0)
	case isFull:
		result = "cap_" + string(full.Grant)
		a.metrics.caps.WithLabelValues(a.metrics.tenant(a.t.Name), string(full.Grant)).Inc()
		return result, later(chat.RateLimited, chat.CodeQuota, time.Until(full.Opens))
	case isBusy:
		return "crowded", later(chat.Overloaded, "", busy.wait)
	case errors.Is(err, errLate):
		return "late", later(chat.Overloaded, "", directWait/6)
	case errors.Is(err, errCrowd), errors.Is(err, errHandover): // the latter: this process ends, and another one is there
		return "crowded", later(chat.Overloaded, "", fullFor)
	}
	result = chat.KindOf(err).String()
	if _, ok := errors.AsType[*chat.Error](err); !ok {
		err = chat.E(chat.KindOf(err), opDirect, err)
	}
	return result, err
}

func stoppedError() error {
	return &chat.Error{Kind: chat.Forbidden, Op: opDirect, Code: chat.CodeStopped, Err: errSuspend}
}

// nowhere is the outlet of requests without a conversation: nobody waits behind it.
type nowhere struct{}

func (nowhere) Parts(chat.Message, string, int64) ([]chat.Part, error) { return nil, nil }
func (nowhere) Send(context.Context, chat.Message, chat.Part) error    { return nil }
func (nowhere) Resendable(time.Duration) bool                          { return false }
func (nowhere) Pace() chat.Pace                                        { return chat.Pace{} }
func (nowhere) Live() time.Duration                                    { return 0 }

// directs are the requests of programs that this process answers.
type directs struct {
	base  int64 // of fences
	last  atomic.Int64
	bills bills

	mu sync.Mutex
	of map[string]map[*context.CancelCauseFunc]struct{} // by tenant
}

// newDirects begins the fences of this process at a block of their own, far above those of claims, which are counted from 1.
func newDirects() directs {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	const blocks, size = 1 << 36, 1 << 13
	return directs{base: 1<<51 + int64(binary.LittleEndian.Uint64(b[:])%blocks)*size, of: map[string]map[*context.CancelCauseFunc]struct{}{}}
}

func (d *directs) add(tenant string, cancel context.CancelCauseFunc) (done func()) {
	mine := &cancel
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[tenant] == nil {
		d.of[tenant] = map[*context.CancelCauseFunc]struct{}{}
	}
	d.of[tenant][mine] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.of[tenant], mine)
	}
}

// suspend ends a tenant's requests.
func (d *directs) suspend(tenant string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for cancel := range d.of[tenant] {
		(*cancel)(errSuspend)
	}
}
