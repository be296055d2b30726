package llm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/chat"
	"parley/internal/route"
	"parley/internal/telemetry"
)

func TestComplete(t *testing.T) {
	b := newBench(t, providers("", "a"), map[string][]script{"a": {says("你", "好")}})
	req := request()
	req.System, req.MaxOutput, req.User = "sys", 50, "u"
	req.History = []chat.Turn{{Question: "q1", Answer: "a1"}}
	got, err := b.ask(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := result{Starts: []string{"a/gpt-4o"}, Deltas: "你好", Spent: []chat.Spend{{Provider: "a", Model: "gpt-4o", Usage: chat.Usage{Input: 7, Output: 3}}}, Calls: []string{"a/gpt-4o"}, Reply: chat.Reply{
		Start: chat.Start{Provider: "a", Model: "gpt-4o", Revision: "r1"}, Text: "你好", FinishReason: "stop",
		Usage: chat.Usage{Input: 7, Output: 3}, QuestionTokens: 1, AnswerTokens: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	call := Call{ID: "t.1.1", Model: "a/gpt-4o", System: "sys", History: req.History, Question: "q", MaxOutput: 50, User: "u"}
	if diff := cmp.Diff([]Call{call}, b.calls, cmp.AllowUnexported(chat.Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutDeltas(t *testing.T) {
	b := newBench(t, providers("", "a"), map[string][]script{"a": {says("你", "好")}})
	req := request()
	req.Deltas = false
	got, err := b.ask(t.Context(), req)
	if err != nil || got.Deltas != "" || got.Reply.Text != "你好" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFallback(t *testing.T) {
	ok := says("b")
	limited := &chat.Error{Kind: chat.RateLimited, Op: "fake", Code: "slow", RetryAfter: 9 * time.Second}
	for _, test := range []struct {
		name    string
		names   []string
		scripts map[string][]script
		quiet   bool // no deltas wanted
		want    result
		after   time.Duration
	}{
		{"unavailable", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Unavailable))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"no key", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Unauthenticated))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"no money", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Billing))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"no such model", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.NotFound))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"empty answer", []string{"a", "b"}, map[string][]script{"a": {says()}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"a foreign error", []string{"a", "b"}, map[string][]script{"a": {fails(errors.New("bug"))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o"}, Calls: []string{"a/gpt-4o"}, Kind: "internal"}, 0},
		{"bad request", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Invalid))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o"}, Calls: []string{"a/gpt-4o"}, Kind: "invalid"}, 0},
		{"content", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Rejected))}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o"}, Calls: []string{"a/gpt-4o"}, Kind: "rejected"}, 0},
		{"after visible text", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Unavailable), "half")}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o"}, Deltas: "half", Calls: []string{"a/gpt-4o"}, Kind: "unavailable"}, 0},
		{"after text that nobody saw", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Unavailable), "half")}, "b": {ok}}, true,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"after a sign of life", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Unavailable), "")}, "b": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Deltas: "b", Calls: []string{"a/gpt-4o", "b/gpt-4o"}}, 0},
		{"at most three calls", []string{"a", "b", "c", "d"}, map[string][]script{"a": {fails(kind(chat.Unavailable))},
			"b": {fails(kind(chat.Overloaded))}, "c": {fails(kind(chat.Timeout))}, "d": {ok}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback", "c/gpt-4o fallback"}, Calls: []string{"a/gpt-4o", "b/gpt-4o", "c/gpt-4o"}, Kind: "unavailable"}, 0},
		{"the error that a later try may mend", []string{"a", "b"}, map[string][]script{"a": {fails(kind(chat.Billing))}, "b": {fails(limited)}}, false,
			result{Starts: []string{"a/gpt-4o", "b/gpt-4o fallback"}, Calls: []string{"a/gpt-4o", "b/gpt-4o"}, Kind: "overloaded"}, 9 * time.Second},
		{"one choice", []string{"a"}, map[string][]script{"a": {fails(limited)}}, false,
			result{Starts: []string{"a/gpt-4o"}, Calls: []string{"a/gpt-4o"}, Kind: "overloaded"}, 9 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, providers("", test.names...), test.scripts)
				req := request()
				req.Deltas = !test.quiet
				got, err := b.ask(t.Context(), req)
				if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(result{}, "Reply", "Spent")); diff != "" {
					t.Error(err, diff)
				}
				if got.Kind == "" && (got.Reply.Text != "b" || !got.Reply.Fallback || got.Reply.Provider != "b") {
					t.Errorf("reply %+v", got.Reply)
				}
				if e, ok := errors.AsType[*chat.Error](err); ok && (e.RetryAfter != test.after || isBusy(e) != (test.after > 0)) {
					t.Errorf("retry after %v, want %v: %v", e.RetryAfter, test.after, err)
				}
			})
		})
	}
}

func TestVerdictNamesAllCauses(t *testing.T) {
	b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {fails(kind(chat.Billing))}, "b": {fails(kind(chat.Forbidden))}})
	_, err := b.ask(t.Context(), request())
	if chat.KindOf(err) != chat.Billing || !strings.Contains(err.Error(), "fake: billing") || !strings.Contains(err.Error(), "fake: forbidden") {
		t.Errorf("got %v", err)
	}
}

func TestDegraded(t *testing.T) {
	b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {says("a")}, "b": {says("b")}})
	var err error
	if b.degradation, err = route.ParseDegradation([]byte("switches: [{id: all, active: true, to: b/mini}]"), "", ""); err != nil {
		t.Fatal(err)
	}
	got, err := b.ask(t.Context(), request())
	if diff := cmp.Diff([]string{"b/mini degraded"}, got.Starts); diff != "" || err != nil || !got.Reply.Degraded {
		t.Error(err, diff)
	}
}

func TestNotReady(t *testing.T) {
	b := newBench(t, providers("", "a"), map[string][]script{"a": {says("a")}})
	req := request()
	req.Model = "unknown"
	if _, err := b.ask(t.Context(), req); chat.KindOf(err) != chat.NotFound {
		t.Errorf("unknown model: got %v", err)
	}
	b.table = nil
	if _, err := b.ask(t.Context(), request()); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("no table: got %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	steps := func(gap time.Duration, texts ...string) script {
		return func(ctx context.Context, _ Call, emit func(string) error) (Answer, error) {
			for _, s := range texts {
				select {
				case <-time.After(gap):
				case <-ctx.Done():
					return Answer{}, chat.E(chat.Unavailable, "fake", ctx.Err())
				}
				if err := emit(s); err != nil {
					return Answer{}, err
				}
			}
			return Answer{Text: strings.Join(texts, ""), FinishReason: "stop"}, nil
		}
	}
	for _, test := range []struct {
		name  string
		first script
		took  time.Duration
		says  string // of the error; empty: an answer of a
		falls bool   // to b
	}{
		{"nothing comes", hangs(), 30 * time.Second, "", true},
		{"slow start", steps(29*time.Second, "a"), 29 * time.Second, "", false},
		{"thinks, then writes", steps(19*time.Second, "", "", "a"), 57 * time.Second, "", false},
		{"thinks, then stops", hangs(""), 20 * time.Second, "", true},
		{"stops", hangs("a"), 20 * time.Second, "the answer stopped for more than 20s", false},
		{"slow but steady", steps(19*time.Second, "a", "b", "c"), 57 * time.Second, "", false},
		{"the whole turn", steps(19*time.Second, strings.Split("abcdefghijkl", "")...), 180 * time.Second, "the whole turn took more than 3m0s", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {test.first}, "b": {says("b")}})
				began := time.Now()
				got, err := b.ask(t.Context(), request())
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				switch {
				case test.says != "":
					if chat.KindOf(err) != chat.Timeout || !strings.Contains(err.Error(), test.says) {
						t.Errorf("got %v, want timeout: %s", err, test.says)
					}
				case err != nil || (got.Reply.Provider == "b") != test.falls:
					t.Errorf("got %+v, %v", got, err)
				}
			})
		})
	}
}

func TestCallerLeaves(t *testing.T) {
	for name, fn := range map[string]func(*bench) error{
		"by its context": func(b *bench) error {
			ctx, cancel := context.WithCancel(t.Context())
			return b.Complete(ctx, request(), func(e chat.Event) error {
				if e.Kind == chat.Delta {
					cancel()
				}
				return nil
			})
		},
		"by its context, before any text": func(b *bench) error {
			ctx, cancel := context.WithCancel(t.Context())
			return b.Complete(ctx, request(), func(e chat.Event) error { cancel(); return nil })
		},
		"at a delta": func(b *bench) error {
			return b.Complete(t.Context(), request(), func(e chat.Event) error {
				if e.Kind == chat.Delta {
					return errors.New("broken pipe")
				}
				return nil
			})
		},
		"at the start": func(b *bench) error {
			return b.Complete(t.Context(), request(), func(chat.Event) error { return errors.New("broken pipe") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {hangs("text")}, "b": {says("b")}})
			if err := fn(b); chat.KindOf(err) != chat.Canceled {
				t.Errorf("got %v, want canceled", err)
			}
			for _, c := range b.calls {
				if c.Model != "a/gpt-4o" {
					t.Errorf("called %s for nobody", c.Model)
				}
			}
		})
	}
	t.Run("at the end", func(t *testing.T) {
		b := newBench(t, providers("", "a"), map[string][]script{"a": {says("a")}})
		err := b.Complete(t.Context(), request(), func(e chat.Event) error {
			if e.Kind == chat.Finished {
				return errors.New("broken pipe")
			}
			return nil
		})
		if chat.KindOf(err) != chat.Canceled {
			t.Errorf("got %v, want canceled", err)
		}
	})
}

func TestEstimatedUsage(t *testing.T) {
	silent := func(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
		return Answer{Text: "hello world", FinishReason: "length"}, emit("hello world")
	}
	b := newBench(t, providers("", "a"), map[string][]script{"a": {silent}})
	req := request()
	req.System = "one two three"
	req.History = []chat.Turn{{Question: "x", Answer: "y", QuestionTokens: 100, AnswerTokens: 200}}
	got, err := b.ask(t.Context(), req)
	// 3 + 3 for the system prompt, 306 for the turn, 1 + 3 for the question, 3 for the reply
	want := chat.Usage{Input: 6 + 306 + 4 + 3, Output: 2, Estimated: true}
	if diff := cmp.Diff(want, got.Reply.Usage); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// A table of the operator's next minute keeps the connections of the providers that stay, and running calls go on.
func TestTableChanges(t *testing.T) {
	b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {fails(kind(chat.Unavailable))}, "b": {says("b")}})
	if _, err := b.ask(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	b.table = parse(t, providers("", "b", "c"))
	got, err := b.ask(t.Context(), request())
	if err != nil || got.Reply.Provider != "b" {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"a"}, b.closed); diff != "" {
		t.Error(diff)
	}
	b.Close()
	if diff := cmp.Diff([]string{"a", "b"}, b.closed); diff != "" {
		t.Error(diff)
	}
}

// A turn that began before the change falls back to what its own table names, and does not take the new table's clients away.
func TestTableChangesWithinATurn(t *testing.T) {
	b := newBench(t, providers("", "a", "b"), nil)
	b.scripts = map[string][]script{"b": {says("b")}, "c": {says("c")}, "a": {func(context.Context, Call, func(string) error) (Answer, error) {
		b.table = parse(t, providers("", "c"))
		if got, err := b.ask(t.Context(), request()); err != nil || got.Reply.Provider != "c" {
			t.Errorf("%+v, %v", got, err)
		}
		return Answer{}, kind(chat.Unavailable)
	}}}
	got, err := b.ask(t.Context(), request())
	if err != nil || got.Reply.Provider != "b" {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"a"}, b.closed); diff != "" {
		t.Error(diff)
	}
}

func TestBadEndpoint(t *testing.T) {
	b := newBench(t, providers("", "a"), nil)
	b.clients.dialects = map[string]Factory{"openai": func(Endpoint) (Provider, error) { return nil, errors.New("no such thing") }}
	if _, err := b.ask(t.Context(), request()); chat.KindOf(err) != chat.Internal || !strings.Contains(err.Error(), "provider a: no such thing") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownDialect(t *testing.T) {
	b := newBench(t, providers("", "a"), nil)
	b.clients.dialects = nil
	if _, err := b.ask(t.Context(), request()); chat.KindOf(err) != chat.Internal {
		t.Errorf("got %v", err)
	}
}

func TestMetricsRegisterOnce(t *testing.T) {
	tel := telemetry.Discard()
	o := Options{Table: func() *route.Table { return nil }, Telemetry: tel}
	if _, err := New(o); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Error("a second Service on one registry was made")
	}
}
