package llm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// slowly answers or fails after a while.
func slowly(d time.Duration, then script) script {
	return func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
		select {
		case <-time.After(d):
			return then(ctx, c, emit)
		case <-ctx.Done():
			return Answer{}, chat.E(chat.Unavailable, "fake", ctx.Err())
		}
	}
}

// crowd asks turns, each on its own and gap after the one before, and counts how they ended: by who answered, or the kind of the error.
func crowd(t *testing.T, b *bench, turns int, gap time.Duration) (ends map[string]int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	ends = map[string]int{}
	for range turns {
		wg.Go(func() {
			got, _ := b.ask(t.Context(), request())
			mu.Lock()
			defer mu.Unlock()
			ends[got.Reply.Provider+got.Kind]++
		})
		time.Sleep(gap)
	}
	wg.Wait()
	return ends
}

// A provider that only fails for a minute costs hardly a call, everybody is answered by the fallback, and it comes back by itself.
func TestOutageWithAFallback(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				gap := time.Duration(20+r.IntN(100)) * time.Millisecond
				turns := int(time.Minute / gap)
				answer := time.Duration(r.IntN(3000)) * time.Millisecond
				failing := slowly(time.Duration(r.IntN(300))*time.Millisecond, fails(kind([]chat.Kind{chat.Unavailable, chat.Overloaded}[r.IntN(2)])))
				b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {failing}, "b": {slowly(answer, says("b"))}})
				if ends := crowd(t, b, turns, gap); ends["b"] != turns {
					t.Fatalf("ended %v, want every turn answered by b", ends)
				}
				// What was on its way when the breaker shut is not counted: 300 ms of turns.
				before := int(300*time.Millisecond/gap) + tripRow
				if n := b.called(); float64(n["a"]+n["b"]-before) > 1.2*float64(turns) {
					t.Errorf("%d turns made %v calls", turns, n)
				}
				b.play("a", slowly(answer, says("a")))
				time.Sleep(shutMost)
				crowd(t, b, 1, answer)
				if ends := crowd(t, b, 20, gap); ends["a"] != 20 {
					t.Errorf("after the recovery: %v", ends)
				}
			})
		})
	}
}

// A lone provider that only fails gets a call a turn: nobody is refused untried, and retries do not double the load.
func TestOutageAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a"), map[string][]script{"a": {slowly(50*time.Millisecond, fails(kind(chat.Unavailable)))}})
		const turns = 1500 // in five minutes
		if ends := crowd(t, b, turns, 200*time.Millisecond); ends["unavailable"] != turns {
			t.Fatal(ends)
		}
		if n := b.called()["a"]; n < turns || float64(n) > 1.2*turns {
			t.Errorf("%d calls for %d turns", n, turns)
		}
		b.play("a", says("a"))
		if ends := crowd(t, b, 5, 0); ends["a"] != 5 {
			t.Errorf("the first turns after the recovery: %v", ends)
		}
	})
}

// A provider that hangs keeps a few people waiting for its first-token deadline, and then nobody but its probes.
func TestHangWithAFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {hangs()}, "b": {says("b")}})
		crowd(t, b, 30, time.Second) // nobody knows yet
		time.Sleep(time.Minute)
		crowd(t, b, 1, 0) // the probe
		began := time.Now()
		var slow int
		for range 100 {
			at := time.Now()
			if got, err := b.ask(t.Context(), request()); err != nil || got.Reply.Provider != "b" {
				t.Fatal(got, err)
			}
			if time.Since(at) > 0 {
				slow++
			}
			time.Sleep(time.Second)
		}
		if probes := 1 + int(time.Since(began)/(shutMost*3/4+30*time.Second)); slow > probes {
			t.Errorf("%d of 100 turns in %v waited, but the breaker lets only %d probes go", slow, time.Since(began), probes)
		}
	})
}

// With a provider hung and nobody behind it a turn makes one call, and ends with the first-token deadline.
func TestHangAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a"), map[string][]script{"a": {hangs()}})
		for i := range 8 {
			began := time.Now()
			_, err := b.ask(t.Context(), request())
			if chat.KindOf(err) != chat.Timeout || time.Since(began) != 30*time.Second || len(b.calls) != i+1 {
				t.Errorf("turn %d: %v after %v and %d calls", i, err, time.Since(began), len(b.calls))
			}
		}
	})
}

func TestRetries(t *testing.T) {
	down, slow := kind(chat.Unavailable), &chat.Error{Kind: chat.Overloaded, Op: "fake", RetryAfter: 4 * time.Second}
	later := &chat.Error{Kind: chat.Overloaded, Op: "fake", RetryAfter: 11 * time.Second}
	for _, test := range []struct {
		name        string
		names       []string
		scripts     map[string][]script
		calls       string
		kind        string
		least, most time.Duration
	}{
		{"alone", []string{"a"}, map[string][]script{"a": {fails(down), says("a")}}, "a a", "", 375 * time.Millisecond, 500 * time.Millisecond},
		{"the pause doubles", []string{"a"}, map[string][]script{"a": {fails(down), fails(down), says("a")}}, "a a a", "", 1125 * time.Millisecond, 1500 * time.Millisecond},
		{"three calls in all", []string{"a"}, map[string][]script{"a": {fails(down)}}, "a a a", "unavailable", 1125 * time.Millisecond, 1500 * time.Millisecond},
		{"a choice first", []string{"a", "b"}, map[string][]script{"a": {fails(down), says("a")}, "b": {fails(down)}}, "a b a", "", 375 * time.Millisecond, 500 * time.Millisecond},
		{"Retry-After", []string{"a"}, map[string][]script{"a": {fails(slow), says("a")}}, "a a", "", 4 * time.Second, 4 * time.Second},
		{"twice Retry-After is within what a turn waits", []string{"a"}, map[string][]script{"a": {fails(slow), fails(slow), says("a")}}, "a a a", "", 8 * time.Second, 8 * time.Second},
		{"a longer Retry-After", []string{"a"}, map[string][]script{"a": {fails(later)}}, "a", "overloaded", 0, 0},
		{"a longer Retry-After, a fallback", []string{"a", "b"}, map[string][]script{"a": {fails(later)}, "b": {says("b")}}, "a b", "", 0, 0},
		{"no money", []string{"a"}, map[string][]script{"a": {fails(kind(chat.Billing))}}, "a", "billing", 0, 0},
		{"no key", []string{"a"}, map[string][]script{"a": {fails(kind(chat.Unauthenticated))}}, "a", "unauthenticated", 0, 0},
		{"no such model", []string{"a"}, map[string][]script{"a": {fails(kind(chat.NotFound))}}, "a", "not_found", 0, 0},
		{"a timeout", []string{"a"}, map[string][]script{"a": {fails(kind(chat.Timeout))}}, "a", "timeout", 0, 0},
		{"a rate limit is waited for elsewhere", []string{"a"}, map[string][]script{"a": {fails(kind(chat.RateLimited))}}, "a", "overloaded", 0, 0},
		{"after visible text", []string{"a"}, map[string][]script{"a": {fails(down, "text")}}, "a", "unavailable", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, providers("", test.names...), test.scripts)
				began := time.Now()
				got, err := b.ask(t.Context(), request())
				if got.Kind != test.kind {
					t.Error(err)
				}
				if calls := strings.ReplaceAll(strings.Join(got.Calls, " "), "/gpt-4o", ""); calls != test.calls {
					t.Errorf("called %s, want %s", calls, test.calls)
				}
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("took %v, want %v to %v", took, test.least, test.most)
				}
			})
		})
	}
}

// A provider that fails too seldom for its breaker is retried for a fifth of the turns, and the rest are told.
func TestRetriesAreABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		b := newBench(t, providers("", "a"), map[string][]script{"a": {func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
			if n++; n%5 < 2 {
				return Answer{}, kind(chat.Unavailable)
			}
			return says("a")(ctx, c, emit)
		}}})
		const turns = 1000
		for range turns {
			_, _ = b.ask(t.Context(), request())
		}
		if extra := len(b.calls) - turns; extra < turns/8 || extra > turns/5+retryBurst+30 {
			t.Errorf("%d retries in %d turns", extra, turns)
		}
		if lines := strings.Join(scrape(t, b), "\n"); !strings.Contains(lines, "parley_llm_retries_refused_total{provider=a}") {
			t.Error("refused retries are not counted:\n" + lines)
		}
	})
}

// One tenant's bad key is that key's trouble: the provider stays open to all others.
func TestABadKeyHarmsNobodyElse(t *testing.T) {
	for _, k := range []chat.Kind{chat.Unauthenticated, chat.Billing, chat.RateLimited} {
		synctest.Test(t, func(t *testing.T) {
			byKey := func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
				if c.Key.Reveal() == "bad" {
					return Answer{}, kind(k)
				}
				return says("a")(ctx, c, emit)
			}
			b := newBench(t, providers(", key: env:PLATFORM_API_KEY", "a"), map[string][]script{"a": {byKey}})
			bad := request()
			bad.Keys = map[string][]chat.Secret{"a": secrets("bad")}
			for range 100 {
				if _, err := b.ask(t.Context(), bad); err == nil {
					t.Fatal("the bad key answers")
				}
				if _, err := b.ask(t.Context(), request()); err != nil {
					t.Fatalf("%v: %v", k, err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := len(b.calls) - 100; n > 12 { // ten seconds of rests
				t.Errorf("%v: %d calls with the bad key", k, n)
			}
		})
	}
}

// An operator hears once of each key and each change, not of each turn.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tel := telemetry.New(&log, true, slog.LevelInfo)
		billing, auth := fails(kind(chat.Billing)), fails(kind(chat.Unauthenticated))
		b := newBench(t, providers(", key: env:P_API_KEY", "a", "b"), map[string][]script{"a": {billing}, "b": {says("b")}},
			func(o *Options) { o.Telemetry = tel })
		minutes := func(n int) {
			for range n * 60 {
				if _, err := b.ask(t.Context(), request()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
		}
		alarms := func() (n, back int) {
			text := log.String()
			log.Reset()
			if strings.Contains(text, "P_API_KEY") {
				t.Error("a key in the log: " + text)
			}
			return strings.Count(text, "an operator has to act"), strings.Count(text, "takes a key again")
		}
		var got [][2]int
		for _, s := range []script{billing, billing, auth, says("a"), says("a"), auth} {
			b.play("a", s)
			minutes(3)
			n, back := alarms()
			got = append(got, [2]int{n, back})
		}
		if diff := cmp.Diff([][2]int{{1, 0}, {0, 0}, {1, 0}, {0, 1}, {0, 0}, {1, 0}}, got); diff != "" {
			t.Error(diff)
		}
		if n := b.called()["a"]; n > 2*3*60+6*10 {
			t.Errorf("%d calls with a refused key", n)
		}
	})
}

// Only changes of a breaker are worth a line.
func TestBreakerLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {fails(kind(chat.Unavailable))}, "b": {says("b")}},
			func(o *Options) { o.Telemetry = telemetry.New(&log, true, slog.LevelInfo) })
		crowd(t, b, 1000, 100*time.Millisecond)
		b.play("a", says("a"))
		time.Sleep(shutMost)
		crowd(t, b, 100, 100*time.Millisecond)
		text := log.String()
		if n, back := strings.Count(text, "keeps failing"), strings.Count(text, "answers again"); n != 1 || back != 1 {
			t.Errorf("%d and %d lines", n, back)
		}
		if n := strings.Count(text, "falling back"); n > 15 {
			t.Errorf("%d lines of fallbacks in 1000 turns", n)
		}
	})
}

// A panic of a provider's client must not keep a place, a probe or a breaker.
func TestAPanicKeepsNothing(t *testing.T) {
	b := newBench(t, providers(", concurrency: 1", "a"), map[string][]script{"a": {
		func(context.Context, Call, func(string) error) (Answer, error) { panic("bug") }, says("a")}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		_, _ = b.ask(t.Context(), request())
	}()
	if _, err := b.ask(t.Context(), request()); err != nil {
		t.Error(err)
	}
	if len(b.keys.state) != 0 || len(b.keys.running) != 0 || len(b.fleet.(*local).keys) != 0 {
		t.Error("a place is kept")
	}
}

// The turn's deadline belongs to its calls: a provider that is cut by it after text is not blamed, one that said nothing is.
func TestWhoIsBlamedForTheDeadline(t *testing.T) {
	for name, test := range map[string]struct {
		script  script
		blamed  bool
		expires time.Duration // of the caller
	}{
		"text came":            {hangs("text"), false, 0},
		"nothing came":         {hangs(), true, 0},
		"the caller's own end": {hangs(), false, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, providers("", "a")+"deadlines: {connect: 5s, first_token: 10s, idle: 10s, turn: 10s}\n", map[string][]script{"a": {test.script}})
				for range tripRow {
					ctx, cancel := context.WithCancel(t.Context())
					if test.expires > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), test.expires)
					}
					_, err := b.ask(ctx, request())
					cancel()
					if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.Timeout {
						t.Fatal(err)
					}
				}
				if b.Providers()[0].Open != test.blamed {
					t.Errorf("shut: %v, want %v", !test.blamed, test.blamed)
				}
			})
		})
	}
}

// All calls of a turn share its deadline.
func TestOneDeadlineForAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		doc := providers("", "a", "b") + "deadlines: {connect: 5s, first_token: 10s, idle: 10s, turn: 15s}\n"
		b := newBench(t, doc, map[string][]script{"a": {hangs()}, "b": {slowly(9*time.Second, says("b"))}})
		began := time.Now()
		if _, err := b.ask(t.Context(), request()); chat.KindOf(err) != chat.Timeout || time.Since(began) != 15*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// While a provider is known to fail, turns that go past it cost nothing there: no call, and no word with the fleet.
func TestGoingPastABreakerIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		b := newBench(t, providers(", concurrency: 5", "a", "b"), map[string][]script{"a": {fails(kind(chat.Unavailable))}, "b": {says("b")}},
			func(o *Options) { o.Fleet = w })
		for range tripRow {
			_, _ = b.ask(t.Context(), request())
		}
		w.asked = nil
		for range 3 {
			if got, err := b.ask(t.Context(), request()); err != nil || len(got.Starts) != 1 {
				t.Error(got.Starts, err)
			}
		}
		if diff := cmp.Diff([]string{"b", "b", "b"}, w.asked); diff != "" {
			t.Error(diff)
		}
	})
}

// A key that rested serves everybody again as soon as its probe's first text comes: an answer can take minutes.
func TestAKeyIsProvedByTheFirstText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talks := func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
			time.Sleep(time.Second)
			if err := emit("a"); err != nil {
				return Answer{}, err
			}
			return slowly(15*time.Second, says("b"))(ctx, c, emit)
		}
		b := newBench(t, providers("", "a"), map[string][]script{"a": {fails(kind(chat.RateLimited)), talks}})
		_, _ = b.ask(t.Context(), request())
		time.Sleep(time.Second)
		if ends := crowd(t, b, 20, 210*time.Millisecond); ends["a"] != 16 || ends["overloaded"] != 4 {
			t.Errorf("%v, want the probe, four that are told to wait for its first text, and all others", ends)
		}
	})
}
