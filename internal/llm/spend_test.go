package llm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

// costs fails after a text, and says what came until then.
func costs(err error, u chat.Usage, texts ...string) script {
	return func(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
		a := Answer{Usage: u}
		for _, s := range texts {
			a.Text += s
			if err := emit(s); err != nil {
				return a, err
			}
		}
		return a, err
	}
}

// Every call that cost something is told of, exactly as the provider said, or estimated if text came and it said nothing.
func TestSpent(t *testing.T) {
	down, said := kind(chat.Unavailable), chat.Usage{Input: 7, Cached: 2, Output: 3, Reasoning: 1}
	// request() has 1 token of question and 6 of form; "hello world" has 2.
	guess := chat.Usage{Input: 7, Output: 2, Estimated: true}
	silent := func(_ context.Context, _ Call, emit func(string) error) (Answer, error) {
		return Answer{Text: "hello world", FinishReason: "stop"}, emit("hello world")
	}
	for _, test := range []struct {
		name  string
		a, b  script
		quiet bool
		want  []chat.Usage
		kind  string
	}{
		{"an answer", costs(nil, said, "x"), nil, false, []chat.Usage{said}, ""},
		{"an answer without usage", silent, nil, false, []chat.Usage{guess}, ""},
		{"refused before any text", fails(down), says("b"), false, []chat.Usage{{Input: 7, Output: 3}}, ""},
		{"failed with usage, then the fallback", costs(down, said), says("b"), false, []chat.Usage{said, {Input: 7, Output: 3}}, ""},
		{"cut after text that nobody saw", costs(down, chat.Usage{}, "hello ", "world"), says("b"), true, []chat.Usage{guess, {Input: 7, Output: 3}}, ""},
		{"cut after visible text", costs(down, chat.Usage{}, "hello ", "world"), says("b"), false, []chat.Usage{guess}, "unavailable"},
		{"content refused after text", costs(kind(chat.Rejected), said, "x"), says("b"), false, []chat.Usage{said}, "rejected"},
		{"an empty answer that cost", costs(nil, said), says("b"), false, []chat.Usage{said, {Input: 7, Output: 3}}, ""},
		{"both fail with costs", costs(down, said), costs(kind(chat.Timeout), said), false, []chat.Usage{said, said, said}, "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {test.a}, "b": {test.b}})
				req := request()
				req.Deltas = !test.quiet
				got, err := b.ask(t.Context(), req)
				var usages []chat.Usage
				for _, s := range got.Spent {
					usages = append(usages, s.Usage)
				}
				if diff := cmp.Diff(test.want, usages); diff != "" || got.Kind != test.kind {
					t.Error(err, diff)
				}
				if last := len(usages) - 1; err == nil && got.Reply.Usage != usages[last] {
					t.Errorf("the reply's own usage is %+v", got.Reply.Usage)
				}
			})
		})
	}
}

func TestSpentSaysWhoseKey(t *testing.T) {
	b := newBench(t, providers(", key: env:P_API_KEY", "a"), map[string][]script{"a": {says("x")}})
	req := request()
	for _, own := range []bool{false, true} {
		if own {
			req.Keys = map[string][]chat.Secret{"a": secrets("own")}
		}
		got, err := b.ask(t.Context(), req)
		want := []chat.Spend{{Provider: "a", Model: "gpt-4o", Own: own, Usage: chat.Usage{Input: 7, Output: 3}}}
		if diff := cmp.Diff(want, got.Spent); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
}

// events writes the kinds of a completion's events in order.
func (b *bench) events(ctx context.Context, end func(chat.Event) error) (list string, err error) {
	names := map[chat.EventKind]string{chat.Started: "started", chat.Delta: "delta", chat.Spent: "spent", chat.Finished: "finished"}
	err = b.Complete(ctx, request(), func(e chat.Event) error {
		list += " " + names[e.Kind]
		return end(e)
	})
	return strings.TrimSpace(list), err
}

func listen(chat.Event) error { return nil }

func TestOrderOfEvents(t *testing.T) {
	rejected := costs(kind(chat.Rejected), chat.Usage{Input: 1, Output: 1}, "half", " a sentence")
	for name, test := range map[string]struct {
		a    script
		want string
		kind string
	}{
		"an answer":              {says("x", "y"), "started delta delta spent finished", ""},
		"a fallback":             {costs(kind(chat.Unavailable), chat.Usage{Input: 1}), "started spent started delta spent finished", ""},
		"refused after text":     {rejected, "started delta delta spent", "rejected"},
		"refused before a text":  {fails(kind(chat.Rejected)), "started", "rejected"},
		"cut after visible text": {fails(kind(chat.Unavailable), "half"), "started delta", "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {test.a}, "b": {says("b")}})
			list, err := b.events(t.Context(), listen)
			if list != test.want || (err == nil) != (test.kind == "") || err != nil && chat.KindOf(err).String() != test.kind {
				t.Errorf("got %q, %v; want %q, %s", list, err, test.want, test.kind)
			}
		})
	}
}

// Who left pays all the same: the metrics count what nobody heard.
func TestSpentForNobody(t *testing.T) {
	for name, leave := range map[string]func(cancel func()) error{
		"a broken pipe":      func(func()) error { return errors.New("broken pipe") },
		"a canceled context": func(cancel func()) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			stream := func(ctx context.Context, _ Call, emit func(string) error) (Answer, error) {
				if err := emit("hello world"); err != nil {
					return Answer{Text: "hello world"}, err
				}
				<-ctx.Done()
				return Answer{Text: "hello world"}, chat.E(chat.Unavailable, "fake", ctx.Err())
			}
			b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {stream}, "b": {says("b")}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := b.events(ctx, func(e chat.Event) error {
				if e.Kind == chat.Delta {
					return leave(cancel)
				}
				return nil
			})
			if chat.KindOf(err) != chat.Canceled {
				t.Error(err)
			}
			for _, want := range []string{
				"parley_llm_tokens_total{direction=input,model=gpt-4o,provider=a,source=estimated} 7",
				"parley_llm_tokens_total{direction=output,model=gpt-4o,provider=a,source=estimated} 2",
				"parley_llm_requests_total{model=gpt-4o,outcome=canceled,provider=a} 1",
				"parley_llm_turns_total{model=gpt-4o,outcome=canceled,provider=a,via=route} 1",
			} {
				if lines := scrape(t, b); !slices.Contains(lines, want) {
					t.Errorf("%s is missing in\n%s", want, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

// The sum of what is told is the sum of what the provider said, over retries and fallbacks.
func TestSpentAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ledger, told chat.Usage
		n := 0
		play := func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
			n++
			u := chat.Usage{Input: n, Output: n % 17, Cached: n % 3}
			ledger.Input, ledger.Output, ledger.Cached = ledger.Input+u.Input, ledger.Output+u.Output, ledger.Cached+u.Cached
			if n%4 == 0 {
				return costs(kind(chat.Unavailable), u)(ctx, c, emit)
			}
			a, err := says("x")(ctx, c, emit)
			a.Usage = u
			return a, err
		}
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {play}, "b": {play}})
		for range 1000 {
			got, err := b.ask(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range got.Spent {
				told.Input, told.Output, told.Cached = told.Input+s.Usage.Input, told.Output+s.Usage.Output, told.Cached+s.Usage.Cached
			}
		}
		if diff := cmp.Diff(ledger, told); diff != "" {
			t.Error(diff)
		}
	})
}

// Fallback and degradation are told apart.
func TestTurnsByWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {says("a"), fails(kind(chat.Unavailable))}, "b": {says("b")}})
		ask := func() { _, _ = b.ask(t.Context(), request()) }
		ask() // a
		ask() // b after a
		d, err := route.ParseDegradation([]byte("switches: [{id: all, active: true, to: b/mini}]"), "", "")
		if err != nil {
			t.Fatal(err)
		}
		b.degradation = d
		ask() // b/mini
		b.play("b", fails(kind(chat.RateLimited)))
		b.table = parse(t, providers("", "b"))
		b.degradation = nil
		ask() // waits
		b.table = nil
		ask()
		var got []string
		for _, line := range scrape(t, b) {
			if rest, ok := strings.CutPrefix(line, "parley_llm_turns_total"); ok {
				got = append(got, rest)
			}
		}
		want := []string{
			"{model=gpt-4o,outcome=keys_busy,provider=b,via=route} 1",
			"{model=gpt-4o,outcome=ok,provider=a,via=route} 1",
			"{model=gpt-4o,outcome=ok,provider=b,via=fallback} 1",
			"{model=mini,outcome=ok,provider=b,via=degradation} 1",
			"{model=none,outcome=unavailable,provider=none,via=route} 1",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
