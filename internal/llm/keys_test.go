package llm

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

func secrets(names ...string) (list []chat.Secret) {
	for _, n := range names {
		list = append(list, chat.NewSecret(n))
	}
	return list
}

func choice(concurrency int, keys ...string) route.Choice {
	return route.Choice{Provider: &route.Provider{Name: "p", Concurrency: concurrency}, Keys: secrets(keys...)}
}

// ring is a Service that has keys and nothing else.
func ring() *Service { return &Service{keys: newKeyring(), fleet: newLocal()} }

func (s *Service) give(l lease, failure *chat.Error) { s.keys.give(l, failure) }

func mustTake(t *testing.T, s *Service, c route.Choice) lease {
	t.Helper()
	l, err := s.take(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestKeysRotate(t *testing.T) {
	r, c := ring(), choice(0, "a", "b", "c")
	seen := map[string]int{}
	for range 9 {
		id := mustTake(t, r, c)
		seen[id.key.Reveal()]++
		r.give(id, nil)
	}
	if diff := cmp.Diff(map[string]int{"a": 3, "b": 3, "c": 3}, seen); diff != "" {
		t.Error(diff)
	}
	if len(r.keys.state) != 0 {
		t.Errorf("%d idle keys are remembered", len(r.keys.state))
	}
}

func TestKeysSpreadByLoad(t *testing.T) {
	r, c := ring(), choice(0, "a", "b")
	busy := []lease{mustTake(t, r, choice(0, "a")), mustTake(t, r, choice(0, "a"))}
	for range 2 {
		if id := mustTake(t, r, c); id.key.Reveal() != "b" {
			t.Errorf("took %s, which has more calls", id.key.Reveal())
		}
	}
	for _, id := range busy {
		r.give(id, nil)
	}
}

// A key out of money counts as refused until a call succeeds, also between its rests; one that nobody tries any more is forgotten after a while.
func TestRefusalsLastUntilACallSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := ring(), choice(0, "a")
		refused := func(want int) {
			t.Helper()
			got := r.keys.refusals("p", secrets("a", "b"), chat.Billing, time.Now())
			if other := r.keys.refusals("p", secrets("a", "b"), chat.Unauthenticated, time.Now()); got != want || other != 0 {
				t.Errorf("%d keys are out of money and %d refused, want %d and 0", got, other, want)
			}
		}
		refused(0)
		r.give(mustTake(t, r, c), &chat.Error{Kind: chat.Billing})
		refused(1)
		time.Sleep(2 * restRefused)
		refused(1) // its rest is over, nobody has tried
		r.give(mustTake(t, r, c), nil)
		refused(0)
		r.give(mustTake(t, r, c), &chat.Error{Kind: chat.Billing})
		time.Sleep(2*restRefused + refusedFor)
		refused(0)
	})
}

func TestConcurrency(t *testing.T) {
	r, c := ring(), choice(2, "a", "b")
	var held []lease
	for range 4 {
		held = append(held, mustTake(t, r, c))
	}
	if _, e := r.take(t.Context(), c); e == nil || e.Kind != chat.Overloaded || e.Code != chat.CodeKeysBusy || e.RetryAfter <= 0 {
		t.Fatalf("a fifth call: %v", e)
	}
	if id := mustTake(t, r, choice(2, "other")); id.key.Reveal() != "other" {
		t.Error("another tenant's key is full, too")
	}
	r.give(held[0], nil)
	if id := mustTake(t, r, c); id.name != held[0].name {
		t.Errorf("took %v, want the key that became free", id)
	}
}

func TestWithoutKeys(t *testing.T) {
	r, c := ring(), choice(1)
	id := mustTake(t, r, c)
	if !id.key.IsZero() {
		t.Error("a key from nowhere")
	}
	if _, err := r.take(t.Context(), c); !isBusy(err) {
		t.Errorf("the limit does not hold without keys: %v", err)
	}
	r.give(id, nil)
}

func TestKeysRest(t *testing.T) {
	for _, test := range []struct {
		failure     *chat.Error
		least, most time.Duration
		waits       bool // the turn waits for it
	}{
		{&chat.Error{Kind: chat.RateLimited, RetryAfter: 7 * time.Second}, 7 * time.Second, 7 * time.Second, true},
		{&chat.Error{Kind: chat.RateLimited, RetryAfter: 6 * time.Minute}, 6 * time.Minute, 6 * time.Minute, false},
		{&chat.Error{Kind: chat.RateLimited}, 750 * time.Millisecond, time.Second, true},
		{&chat.Error{Kind: chat.Overloaded, RetryAfter: 3 * time.Second}, 3 * time.Second, 3 * time.Second, false},
		{&chat.Error{Kind: chat.Unavailable, RetryAfter: 10 * time.Hour}, time.Hour, time.Hour, false},
		{&chat.Error{Kind: chat.Unavailable}, 0, 0, false},
		{&chat.Error{Kind: chat.Timeout}, 0, 0, false},
		{&chat.Error{Kind: chat.Unauthenticated, Code: "invalid_api_key"}, 15 * time.Second, 20 * time.Second, false},
		{&chat.Error{Kind: chat.Billing}, 15 * time.Second, 20 * time.Second, false},
		{&chat.Error{Kind: chat.Billing, RetryAfter: 5 * time.Minute}, 5 * time.Minute, 5 * time.Minute, false},
		{&chat.Error{Kind: chat.Rejected}, 0, 0, false},
	} {
		t.Run(fmt.Sprint(test.failure.Kind, test.failure.RetryAfter), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, c := ring(), choice(0, "a")
				r.give(mustTake(t, r, c), test.failure)
				if test.most > 0 {
					_, e := r.take(t.Context(), c)
					if e == nil || isBusy(e) != test.waits || !test.waits && (e.Kind != test.failure.Kind || e.Code != test.failure.Code) {
						t.Fatalf("at the beginning of the rest: %v", e)
					}
					if e.Kind.Retryable() != (e.RetryAfter >= test.least && e.RetryAfter > 0) || e.RetryAfter > test.most {
						t.Errorf("retry after %v", e.RetryAfter)
					}
					time.Sleep(test.least - time.Millisecond)
					if _, e := r.take(t.Context(), c); e == nil {
						t.Fatal("the rest ended early")
					}
					time.Sleep(test.most - test.least + time.Millisecond)
				}
				r.give(mustTake(t, r, c), nil)
				if len(r.keys.state) != 0 {
					t.Error("a rested key is remembered")
				}
			})
		})
	}
}

func TestAnotherKeyWhileOneRests(t *testing.T) {
	r, c := ring(), choice(0, "a", "b")
	r.give(mustTake(t, r, choice(0, "a")), kind(chat.Billing))
	for range 4 {
		id := mustTake(t, r, c)
		if id.key.Reveal() != "b" {
			t.Error("took a resting key")
		}
		r.give(id, nil)
	}
	if _, err := r.take(t.Context(), choice(0, "a")); err == nil || err.Kind != chat.Billing {
		t.Errorf("got %v", err)
	}
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ring()
		for i := range 1024 {
			r.give(mustTake(t, r, choice(0, fmt.Sprint(i))), kind(chat.RateLimited))
		}
		if len(r.keys.state) != 1024 {
			t.Fatalf("%d keys rest", len(r.keys.state))
		}
		time.Sleep(2 * time.Second)
		id := mustTake(t, r, choice(0, "new"))
		if len(r.keys.state) != 1 {
			t.Errorf("%d keys are remembered, want the running one", len(r.keys.state))
		}
		r.give(id, nil)
	})
}

func TestKeysConcurrently(t *testing.T) {
	r, c := ring(), choice(3, "a", "b", "c")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if id, err := r.take(t.Context(), c); err == nil {
				r.give(id, map[bool]*chat.Error{true: kind(chat.Unavailable)}[i%2 == 0])
			}
		})
	}
	wg.Wait()
	if len(r.keys.state) != 0 {
		t.Errorf("%d keys are remembered", len(r.keys.state))
	}
}

// Within one turn: a bad key gives way to the next of the same provider, then the next choice's.
func TestKeysInATurn(t *testing.T) {
	var used []string
	byKey := func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
		used = append(used, c.Key.Reveal())
		if c.Key.Reveal() == "good" {
			return says("ok")(ctx, c, emit)
		}
		return Answer{}, kind(chat.Unauthenticated)
	}
	three := map[string][]chat.Secret{"a": secrets("bad1", "bad2"), "b": secrets("bad3"), "c": secrets("good")}
	for _, test := range []struct {
		name   string
		keys   map[string][]chat.Secret
		used   []string
		starts []string
		kind   string
		alone  bool // provider a and no other
	}{
		{"second key", map[string][]chat.Secret{"a": secrets("bad", "good"), "b": secrets("good")}, []string{"bad", "good"}, []string{"a/gpt-4o", "a/gpt-4o"}, "", false},
		{"second choice", map[string][]chat.Secret{"a": secrets("bad"), "b": secrets("good")}, []string{"bad", "good"}, []string{"a/gpt-4o", "b/gpt-4o fallback"}, "", false},
		{"three calls", three, []string{"bad1", "bad2", "bad3"},
			[]string{"a/gpt-4o", "a/gpt-4o", "b/gpt-4o fallback"}, "unauthenticated", false},
		{"the last call is for the next choice", map[string][]chat.Secret{"a": secrets("bad1", "bad2", "bad3", "bad4"), "b": secrets("good")},
			[]string{"bad1", "bad2", "good"}, []string{"a/gpt-4o", "a/gpt-4o", "b/gpt-4o fallback"}, "", false},
		{"with nobody behind it, all calls", map[string][]chat.Secret{"a": secrets("bad1", "bad2", "bad3")},
			[]string{"bad1", "bad2", "bad3"}, []string{"a/gpt-4o", "a/gpt-4o", "a/gpt-4o"}, "unauthenticated", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			used = nil
			b := newBench(t, providers("", "a", "b", "c"), map[string][]script{"a": {byKey}, "b": {byKey}, "c": {byKey}})
			req := request()
			req.Keys = test.keys
			if test.alone {
				req.Providers = []string{"a"}
			}
			got, err := b.ask(t.Context(), req)
			if diff := cmp.Diff(test.starts, got.Starts); diff != "" || got.Kind != test.kind {
				t.Error(err, diff)
			}
			slices.Sort(used)
			if diff := cmp.Diff(test.used, used); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A provider that asked for patience is not called before; turns go past it.
func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := &chat.Error{Kind: chat.RateLimited, Op: "fake", RetryAfter: 20 * time.Second}
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {fails(limited), says("a")}, "b": {says("b")}})
		ask := func() string {
			got, err := b.ask(t.Context(), request())
			if err != nil {
				t.Fatal(err)
			}
			return got.Reply.Provider
		}
		answered := []string{ask(), ask()}
		time.Sleep(20*time.Second - 1)
		answered = append(answered, ask())
		time.Sleep(time.Nanosecond)
		answered = append(answered, ask())
		if diff := cmp.Diff([]string{"b", "b", "b", "a"}, answered); diff != "" {
			t.Error(diff)
		}
		if n := len(slices.DeleteFunc(b.calls, func(c Call) bool { return c.Model != "a/gpt-4o" })); n != 2 {
			t.Errorf("a was called %d times, want 2", n)
		}
	})
}

func TestOwnKeys(t *testing.T) {
	doc := providers(", key: env:PLATFORM_API_KEY", "a")
	for name, test := range map[string]struct {
		own  map[string][]chat.Secret
		used string
		kind string
	}{
		"none":          {nil, "env:PLATFORM_API_KEY", ""},
		"another's":     {map[string][]chat.Secret{"b": secrets("own")}, "env:PLATFORM_API_KEY", ""},
		"own":           {map[string][]chat.Secret{"a": secrets("own")}, "own", ""},
		"own but empty": {map[string][]chat.Secret{"a": {}}, "", "unauthenticated"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, doc, map[string][]script{"a": {says("x")}})
			req := request()
			req.Keys = test.own
			got, _ := b.ask(t.Context(), req)
			used := ""
			for _, c := range b.calls {
				used += c.Key.Reveal()
			}
			if used != test.used || got.Kind != test.kind {
				t.Errorf("used %q, kind %q; want %q, %q", used, got.Kind, test.used, test.kind)
			}
		})
	}
}
