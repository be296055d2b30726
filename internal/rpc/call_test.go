package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// fixed is a handler that keeps the request and plays events.
type fixed struct {
	got    chan chat.Request
	events []chat.Event
	err    error
}

func (f *fixed) Complete(_ context.Context, req chat.Request, emit func(chat.Event) error) error {
	f.got <- req
	for _, e := range f.events {
		if err := emit(e); err != nil {
			return err
		}
	}
	return f.err
}

func TestRoundTripOfEveryField(t *testing.T) {
	t.Parallel()
	start := chat.Start{Provider: "openai", Model: "gpt-4o", Revision: "r7", Degraded: true, Fallback: true}
	reply := chat.Reply{
		Text: "你好 世界", FinishReason: "length", QuestionTokens: 11, AnswerTokens: 12,
		Usage: chat.Usage{Input: 1, Cached: 2, Output: 3, Reasoning: 4, Estimated: true},
	}
	h := &fixed{got: make(chan chat.Request, 1), events: []chat.Event{
		{Kind: chat.Started, Start: chat.Start{Provider: "first"}},
		{Kind: chat.Started, Start: start},
		{Kind: chat.Delta, Text: "你好"},
		{Kind: chat.Finished, Reply: reply},
	}}
	c := dialDirect(t, serve(t, ServerOptions{Handler: h}).Addr())
	req := chat.Request{
		Tenant: "acme", Conversation: "c", Turn: "t", Attempt: 3, User: "u", Model: "chat", System: "s", Question: "q",
		History:   []chat.Turn{{Question: "a", Answer: "b", QuestionTokens: 5, AnswerTokens: 6}, {Question: "c", Answer: "d"}},
		Keys:      map[string][]chat.Secret{"openai": {chat.NewSecret("k1"), chat.NewSecret("k2")}, "glm": {}},
		Providers: []string{"openai"}, MaxOutput: 99, Deltas: true, DeltaGap: 250 * time.Millisecond,
		Sampling: &chat.Sampling{Temperature: new(0.0), TopP: new(0.5), Presence: new(-1.0), Frequency: new(1.5), Seed: new(int64(-7)), Stop: []string{"a", "b"}, JSON: true},
	}
	var events []chat.Event
	got, err := c.Complete(t.Context(), req, func(e chat.Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	secrets := cmp.Comparer(func(a, b chat.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(req, <-h.got, secrets); diff != "" {
		t.Errorf("the request changed on its way (-sent +got):\n%s", diff)
	}
	want := reply
	want.Start = start
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	wantEvents := append([]chat.Event{}, h.events...)
	wantEvents[3].Reply = want
	if diff := cmp.Diff(wantEvents, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestProvidersAbsentAndEmptyDiffer(t *testing.T) {
	t.Parallel()
	h := &fixed{got: make(chan chat.Request, 1), events: []chat.Event{{Kind: chat.Finished}}}
	c := dialDirect(t, serve(t, ServerOptions{Handler: h}).Addr())
	for name, providers := range map[string][]string{"absent": nil, "empty": {}, "one": {"openai"}} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.Complete(t.Context(), chat.Request{Tenant: "a", Providers: providers}, func(chat.Event) {}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(providers, (<-h.got).Providers); diff != "" {
				t.Errorf("(-sent +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, s.Addr())
	for kind := chat.Internal; kind <= chat.Billing; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			_, err := ask(t.Context(), c, "fail "+kind.String())
			wantKind(t, err, kind)
			e, _ := errors.AsType[*chat.Error](err)
			if e.Code != "45009" || e.RetryAfter != 1500*time.Millisecond || !strings.Contains(e.Error(), "as asked: 好") {
				t.Errorf("lost on the way: %#v", e)
			}
			if kind != chat.Overloaded && !instance(c, s.Addr()).Up {
				t.Error("an error of the handler took the instance out")
			}
		})
	}
}

func TestFaultsOfTheHandler(t *testing.T) {
	t.Parallel()
	c := dialDirect(t, serve(t, ServerOptions{Handler: &script{}}).Addr())
	for _, q := range []string{"panic", "nothing"} {
		t.Run(q, func(t *testing.T) {
			_, err := ask(t.Context(), c, q)
			wantKind(t, err, chat.Internal)
			if strings.Contains(err.Error(), "as asked") {
				t.Errorf("the caller sees the inside: %v", err)
			}
			if _, err := ask(t.Context(), c, "echo"); err != nil {
				t.Errorf("the server does not live on: %v", err)
			}
		})
	}
	t.Run("no tenant", func(t *testing.T) {
		_, err := c.Complete(t.Context(), chat.Request{Question: "echo"}, func(chat.Event) {})
		wantKind(t, err, chat.Invalid)
	})
}

func TestCancelAndDeadlineReachTheServer(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]string{"while silent": "silent", "while it streams": "count 100000 5ms"} {
		t.Run("cancel "+name, func(t *testing.T) {
			h := &script{}
			c := dialDirect(t, serve(t, ServerOptions{Handler: h}).Addr())
			ctx, cancel := context.WithCancel(t.Context())
			r := start(t, ctx, c, q)
			r.awaitStart(t)
			cancel()
			wantKind(t, r.wait(t), chat.Canceled)
			eventually(t, "the server's handler sees it", func() bool { return h.canceled.Load() == 1 })
		})
		t.Run("deadline "+name, func(t *testing.T) {
			h := &script{}
			c := dialDirect(t, serve(t, ServerOptions{Handler: h}).Addr())
			for limit, reached := 200*time.Millisecond, false; !reached; limit *= 2 { // a busy machine may not even reach the handler by then
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				r := start(t, ctx, c, q)
				wantKind(t, r.wait(t), chat.Timeout)
				cancel()
				select {
				case <-r.started:
					reached = true
				default:
				}
			}
			eventually(t, "the server's handler sees it", func() bool { return h.canceled.Load() > 0 })
			if !c.Servers()[0].Up {
				t.Error("a deadline took the instance out")
			}
		})
	}
}

func TestSizeLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, s.Addr())
	tests := map[string]struct {
		request, answer int
		ok              bool
	}{
		"a request of 5 MiB":   {request: 5 << 20, ok: true},
		"an answer of 5 MiB":   {answer: 5 << 20, ok: true},
		"a request over 36":    {request: 37 << 20},
		"an answer over 16":    {answer: 17 << 20},
		"a request just under": {request: maxRequest - 100, ok: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req := question(fmt.Sprintf("big %d", tt.answer))
			req.System = strings.Repeat("x", tt.request)
			r, err := c.Complete(t.Context(), req, func(chat.Event) {})
			if !tt.ok {
				wantKind(t, err, chat.TooLarge)
				if chat.KindOf(err).Retryable() {
					t.Error("it would be tried again")
				}
				return
			}
			if err != nil || len(r.Text) != tt.answer {
				t.Errorf("got %d bytes, %v", len(r.Text), err)
			}
		})
	}
}

func TestStreamLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}, Streams: 2})
	c := dialDirect(t, s.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	held := []*running{start(t, ctx, c, "silent"), start(t, ctx, c, "silent")}
	for _, r := range held {
		r.awaitStart(t)
	}
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Overloaded)
	if e, ok := errors.AsType[*chat.Error](err); !ok || e.Code != chat.CodeInstance {
		t.Errorf("%v does not say that the instance is full, not the provider", err)
	}
	if !c.Servers()[0].Up {
		t.Error("a full instance counts as down")
	}
	st, err := c.Inspect(t.Context(), s.Addr())
	if err != nil || st.Streams != 2 || st.StreamLimit != 2 {
		t.Errorf("Inspect: %+v, %v", st, err)
	}
	cancel()
	for _, r := range held {
		wantKind(t, r.wait(t), chat.Canceled)
	}
	eventually(t, "the streams have ended", func() bool { return s.Streams() == 0 })
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Errorf("after the streams ended: %v", err)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	docs := []Document{{Name: "parley-routes", Revision: "abc", Since: 1_700_000_000_123, InForce: "all → chatglm"}, {Name: "tenant.acme", Refused: "line 3: no"}}
	providers := []chat.ProviderState{{Name: "a", Keys: 3, Resting: 2, Concurrency: 4, InFlight: 5, NeedsKey: true, Unresolved: 6, Rests: []chat.KeyRest{
		{Fingerprint: "0a1b2c3d", Kind: "billing", Code: "1113", Until: 1_700_000_000_456}, {Fingerprint: "ffffffff", Kind: "unauthenticated"},
	}}, {Name: "b", Open: true}}
	s := serve(t, ServerOptions{
		Handler: &script{}, Version: "v1", Documents: func() []Document { return docs },
		Providers: func() []chat.ProviderState { return providers }, Alone: func() string { return "nobody listens" },
	})
	c := dialDirect(t, s.Addr())
	got, err := c.Inspect(t.Context(), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	want := Status{Instance: s.Addr(), Version: "v1", StreamLimit: defaultStreams, Protocol: 1, Needs: 1, Documents: docs, Providers: providers, Alone: "nobody listens"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = c.Inspect(t.Context(), freePort(t))
	wantKind(t, err, chat.Unavailable)
	_, err = c.Inspect(t.Context(), "nonsense")
	wantKind(t, err, chat.Invalid)
}

func TestStreamsLeaveNothingBehind(t *testing.T) {
	c := dialDirect(t, serve(t, ServerOptions{Handler: &script{}}).Addr())
	burst := func() {
		runs := make([]*running, 1000)
		for i := range runs {
			runs[i] = start(t, t.Context(), c, "count 3 20ms")
		}
		for _, r := range runs {
			if err := r.wait(t); err != nil {
				t.Fatal(err)
			}
		}
	}
	burst() // what is kept for good is made now
	before := runtime.NumGoroutine()
	memory := heap()
	burst()
	eventually(t, "the goroutines of 1,000 streams are gone", func() bool { return runtime.NumGoroutine() <= before+10 })
	if grown := int64(heap()) - int64(memory); grown > 4<<20 {
		t.Errorf("1,000 streams left %d bytes", grown)
	}
	if n := c.Servers()[0].Streams; n != 0 {
		t.Errorf("%d streams still counted", n)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
