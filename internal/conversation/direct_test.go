package conversation_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// want is a program's request.
func want(question string) chat.Request {
	return chat.Request{Tenant: "acme", User: "key", Model: "deep", System: "theirs", Question: question, MaxOutput: 70, Deltas: true}
}

// ask makes one request and gives the kinds of its events, the answer, and its error.
func (p *process) ask(ctx context.Context, req chat.Request) (kinds []chat.EventKind, text string, err error) {
	err = p.Direct(ctx, req, func(e chat.Event) {
		kinds = append(kinds, e.Kind)
		if e.Kind == chat.Finished {
			text = e.Reply.Text
		}
	})
	return kinds, text, err
}

func refused(t *testing.T, err error, kind chat.Kind, code string) *chat.Error {
	t.Helper()
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Fatalf("got %v, want %v %s", err, kind, code)
	}
	return e
}

func TestDirect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Keys = map[string][]chat.Secret{"openai": {chat.NewSecret("own")}}
		w.tenant.Providers, w.tenant.Limits.MaxOutput, w.tenant.Limits.MaxPrompt = []string{"openai"}, 50, 9000
		w.llm.chunk, w.llm.cost = "re", func(int) []chat.Spend { return []chat.Spend{cost("openai", 30, 12)} }
		reg := prometheus.NewRegistry()
		p := w.start(func(o *conversation.Options) { o.Metrics = reg })
		req := want("q")
		req.History, req.Images = []chat.Turn{{Question: "a", Answer: "b"}}, []chat.Picture{{Type: "image/png", Data: []byte{1}}}
		req.Sampling, req.DeltaGap = &chat.Sampling{JSON: true}, 20*time.Millisecond
		kinds, text, err := p.ask(t.Context(), req)
		if err != nil || text != "re: q (1)" {
			t.Fatalf("%q, %v", text, err)
		}
		if diff := cmp.Diff([]chat.EventKind{chat.Started, chat.Delta, chat.Finished}, kinds); diff != "" {
			t.Error(diff)
		}
		got := w.llm.calls[0]
		if len(got.User) != 20 || got.Conversation == "" || got.Turn == "" || got.Attempt != 1 {
			t.Errorf("asked as %+v", got)
		}
		asked := req
		asked.User, asked.Conversation, asked.Turn, asked.Attempt = got.User, got.Conversation, got.Turn, 1
		asked.System, asked.Keys, asked.Providers, asked.MaxOutput, asked.MaxPrompt = "be brief\n\ntheirs", w.tenant.Keys, []string{"openai"}, 50, 9000
		if diff := cmp.Diff(asked, got, cmp.Comparer(chat.Secret.Equal)); diff != "" {
			t.Error(diff)
		}
		for range 3 { // each counts, by the same user
			if _, _, err := p.ask(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		p.Settle()
		w.spends(map[string]conversation.Tokens{"openai": {Calls: 4, Input: 120, Output: 48}})
		if n := counter(t, reg, "parley_turns_total", map[string]string{"result": "answered"}); n != 4 {
			t.Errorf("%v turns counted", n)
		}
		if w.llm.calls[1].Turn == got.Turn || w.llm.calls[1].User != got.User {
			t.Errorf("the second request is %+v", w.llm.calls[1])
		}
	})
}

// Before the first text another server goes on; after it the failure is the caller's to see.
func TestDirectWhenServersFail(t *testing.T) {
	down := chat.E(chat.Unavailable, "test", nil)
	down.Code = chat.CodeInstance
	busy := &chat.Error{Kind: chat.Overloaded, Op: "test", Code: chat.CodeKeysBusy, RetryAfter: time.Second}
	for name, c := range map[string]struct {
		fails int
		with  error
		chunk string
		kind  chat.Kind // 0, Internal: answered
		code  string
		calls int
	}{
		"a server dies before the first text":  {2, down, "", 0, "", 3},
		"a server dies after it":               {1, down, "te", chat.Unavailable, chat.CodeInstance, 1},
		"keys are busy for a while":            {3, busy, "", 0, "", 4},
		"keys are busy for long":               {100, busy, "", chat.Overloaded, "", -1},
		"the provider refuses":                 {1, chat.E(chat.Rejected, "test", nil), "", chat.Rejected, "", 1},
		"an error of no kind is nobody's word": {1, errors.New("odd"), "", chat.Internal, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.llm.chunk, w.llm.quiet = c.chunk, errors.Is(c.with, busy)
				w.llm.fail = func(n int) error {
					if n <= c.fails {
						return c.with
					}
					return nil
				}
				began := time.Now()
				_, text, err := w.start().ask(t.Context(), want("q"))
				if c.kind == 0 && c.code == "" && err == nil {
					if text != "re: q (0)" {
						t.Errorf("answered %q", text)
					}
				} else {
					_ = refused(t, err, c.kind, c.code)
				}
				if n := w.llm.asked(); c.calls >= 0 && n != c.calls {
					t.Errorf("%d calls, want %d", n, c.calls)
				}
				if took := time.Since(began); took > 40*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Programs and people share a tenant's turns in flight.
func TestDirectTakesASeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TurnsInFlight, w.llm.delay = 2, time.Minute
		p, other := w.start(), w.start()
		w.say(p, "1", "one")
		settle(time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := other.ask(t.Context(), want("two")); err != nil {
				t.Error(err)
			}
		})
		settle(3 * time.Second)
		began := time.Now()
		_, _, err := p.ask(t.Context(), want("three"))
		e := refused(t, err, chat.RateLimited, chat.CodeInFlight)
		if took := time.Since(began); e.RetryAfter <= 0 || took > 5*time.Second {
			t.Errorf("retry after %v, refused after %v", e.RetryAfter, took)
		}
		if n := w.llm.asked(); n != 2 {
			t.Errorf("%d turns at once", n)
		}
		wg.Wait()
		settle(3 * time.Second)
		w.llm.delay = 100 * time.Millisecond
		for i := range 6 {
			settle(3 * time.Second)
			if _, _, err := []*process{p, other}[i%2].ask(t.Context(), want("four")); err != nil {
				t.Errorf("the seats did not come back: %v", err)
			}
		}
	})
}

// desk counts how often it is asked for seats, and takes its time.
type desk struct {
	conversation.Store
	asked atomic.Int32
}

func (d *desk) Seat(ctx context.Context, owner string, asks []conversation.SeatAsk, lease time.Duration) (map[string]conversation.Seated, error) {
	d.asked.Add(1)
	time.Sleep(10 * time.Millisecond)
	return d.Store.Seat(ctx, owner, asks, lease)
}

// Who waits while another asks for seats takes of those that come, before asking for more.
func TestDirectSharesSeats(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TurnsInFlight = 1000
		d := &desk{Store: w.store}
		p := w.start(func(o *conversation.Options) { o.Store = d })
		var wg sync.WaitGroup
		for range 90 {
			wg.Go(func() {
				if _, _, err := p.ask(t.Context(), want("q")); err != nil {
					t.Error(err)
				}
			})
		}
		settle(500 * time.Millisecond)
		if n := d.asked.Load(); n > 12 { // each brings nine
			t.Errorf("asked for seats %d times", n)
		}
		wg.Wait()
	})
}

func TestDirectTakesRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(func(o *conversation.Options) { o.Turns = 1 })
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = p.ask(t.Context(), want("one")) })
		settle(500 * time.Millisecond)
		_, _, err := p.ask(t.Context(), want("two"))
		if e := refused(t, err, chat.Overloaded, ""); e.RetryAfter <= 0 {
			t.Error("it does not say when to come again")
		}
		wg.Wait()
		if _, _, err := p.ask(t.Context(), want("three")); err != nil {
			t.Error(err)
		}
	})
}

func TestDirectWithinTheDay(t *testing.T) {
	for scope, cap := range map[string]func(*chat.TenantLimits){
		"user":   func(l *chat.TenantLimits) { l.UserPerDay = 80 },
		"tenant": func(l *chat.TenantLimits) { l.TokensPerDay = 80 },
	} {
		t.Run(scope, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				cap(&w.tenant.Limits)
				w.llm.usage = chat.Usage{Input: 30, Output: 15}
				reg := prometheus.NewRegistry()
				p := w.start(func(o *conversation.Options) { o.Metrics = reg })
				for range 2 {
					if _, _, err := p.ask(t.Context(), want("q")); err != nil {
						t.Fatal(err)
					}
				}
				_, _, err := p.ask(t.Context(), want("q"))
				if e := refused(t, err, chat.RateLimited, chat.CodeQuota); e.RetryAfter < 15*time.Hour || e.RetryAfter > 16*time.Hour {
					t.Errorf("retry after %v; the day ends in 16 h", e.RetryAfter)
				}
				if n := w.llm.asked(); n != 2 {
					t.Errorf("the model was asked %d times", n)
				}
				if n := counter(t, reg, "parley_caps_reached_total", map[string]string{"scope": scope}); n != 1 {
					t.Errorf("%v caps reached", n)
				}
				b, err := w.store.Budget(t.Context(), "acme", w.llm.calls[0].User, conversation.DayOf(time.Now()))
				if err != nil || b != (conversation.Budget{Spent: 90, User: 90}) {
					t.Errorf("budget %+v, %v", b, err)
				}
			})
		})
	}
}

// Whoever leaves has cost what was sent and what came until then.
func TestDirectCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.chunk, w.llm.delay = "eight ch", time.Minute
		p := w.start()
		ctx, leave := context.WithTimeout(t.Context(), 3*time.Second)
		defer leave()
		_, _, err := p.ask(ctx, want("q"))
		if k := chat.KindOf(err); k != chat.Timeout {
			t.Errorf("got %v", err)
		}
		p.Settle()
		got := w.spent()["sim (estimated)"]
		if got.Calls != 1 || got.Output != 2 || got.Input == 0 {
			t.Errorf("usage %+v", got)
		}
	})
}

func TestDirectSuspended(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.delay = time.Minute
		p := w.start()
		began := time.Now()
		time.AfterFunc(2*time.Second, func() {
			gone := w.tenant
			gone.Suspended = true
			w.swap(gone)
			p.Suspend("another")
			p.Suspend("acme")
		})
		for range 2 { // while it runs, and then at once
			_, _, err := p.ask(t.Context(), want("q"))
			_ = refused(t, err, chat.Forbidden, chat.CodeStopped)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("ended after %v", took)
		}
		_, _, err := p.ask(t.Context(), chat.Request{Tenant: "nobody"})
		_ = refused(t, err, chat.NotFound, "")
	})
}

// Who waits for a seat and leaves, or whose company is suspended meanwhile, hears so as everybody does.
func TestDirectEndsInLineForASeat(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(p *process, leave func())
		kind chat.Kind
		code string
	}{
		"left":      {func(_ *process, leave func()) { leave() }, chat.Canceled, ""},
		"suspended": {func(p *process, _ func()) { p.Suspend("acme") }, chat.Forbidden, chat.CodeStopped},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.TurnsInFlight, w.llm.delay = 1, time.Minute
				p, other := w.start(), w.start()
				w.say(other, "1", "one")
				settle(time.Second)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				time.AfterFunc(time.Second, func() { c.end(p, leave) })
				_, _, err := p.ask(ctx, want("q"))
				_ = refused(t, err, c.kind, c.code)
			})
		})
	}
}

// A panic of whoever takes the answer ends that request, and nothing of it stays: no seat, no place, no token of the day.
func TestDirectPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay, w.tenant.Limits.TurnsInFlight = 100, 1
		w.llm.chunk = "text"
		p := w.start(func(o *conversation.Options) { o.Turns = 1 })
		func() {
			defer func() { _ = recover() }()
			_ = p.Direct(t.Context(), want("q"), func(chat.Event) { panic("a fault") })
			t.Error("it did not panic")
		}()
		settle(time.Second)
		if _, _, err := p.ask(t.Context(), want("q")); err != nil {
			t.Errorf("the next request: %v", err)
		}
	})
}

// Processes that begin together must not count as one what two of them spent.
func TestDirectOfManyProcesses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.llm.usage = chat.Usage{Input: 1, Output: 1}
		for range 20 {
			p := w.start()
			if _, _, err := p.ask(t.Context(), want("q")); err != nil {
				t.Fatal(err)
			}
			p.Settle()
		}
		w.spends(map[string]conversation.Tokens{"sim": {Calls: 20, Input: 20, Output: 20}})
	})
}
