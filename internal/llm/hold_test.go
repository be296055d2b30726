package llm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// watched is a Fleet that remembers what was asked of it, and checks that every hold is released once.
type watched struct {
	local
	mu    sync.Mutex
	held  int
	asked []string // key's last digit, "+" for those that wait
	rests []string
}

func newWatched() *watched { return &watched{local: local{keys: map[string]*line{}}} }

func (w *watched) Hold(ctx context.Context, key string, limit int, wait bool) (func(), error) {
	release, err := w.local.Hold(ctx, key, limit, wait)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, map[bool]string{true: "+"}[wait]+key[:strings.Index(key, "/")])
	if err != nil {
		return nil, err
	}
	w.held++
	released := false
	return func() {
		release()
		w.mu.Lock()
		defer w.mu.Unlock()
		if released {
			panic("released twice")
		}
		released = true
		w.held--
	}, nil
}

func (w *watched) Rest(key string, d time.Duration, k chat.Kind, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rests = append(w.rests, fmt.Sprintf("%s %v %v %s", key, d, k, code))
}

// left is how many places are held, and how many keys remembered.
func (w *watched) left() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.local.mu.Lock()
	defer w.local.mu.Unlock()
	return w.held + len(w.keys)
}

// occupy takes every place of a provider's key from outside, for a while.
func (w *watched) occupy(t *testing.T, provider string, places int, key chat.Secret, d time.Duration) {
	t.Helper()
	for range places {
		release, err := w.local.Hold(t.Context(), KeyName(provider, key), places, false)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(d)
			release()
		}()
	}
}

// Turns whose keys are taken wait a while for one, and then say that they wait; others go to the next choice.
func TestWaitingForAKey(t *testing.T) {
	one := secrets("one")[0]
	for _, test := range []struct {
		name  string
		names []string
		taken map[string]time.Duration // how long each provider's key is taken by others
		down  string
		want  string // who answers, or the error's code
		calls string
		took  time.Duration
		after time.Duration
	}{
		{"free", []string{"a", "b"}, nil, "", "a", "a", 0, 0},
		{"the next choice is free", []string{"a", "b"}, map[string]time.Duration{"a": time.Minute}, "", "b", "b", 0, 0},
		{"comes free", []string{"a"}, map[string]time.Duration{"a": 2 * time.Second}, "", "a", "a", 2 * time.Second, 0},
		{"the first choice is waited for", []string{"a", "b"}, map[string]time.Duration{"a": 2 * time.Second, "b": time.Second}, "", "a", "a", 2 * time.Second, 0},
		{"does not come free", []string{"a"}, map[string]time.Duration{"a": time.Minute}, "", chat.CodeKeysBusy, "", patience, linePause},
		{"nobody is free", []string{"a", "b"}, map[string]time.Duration{"a": time.Minute, "b": time.Minute}, "", chat.CodeKeysBusy, "", patience, linePause},
		{"the fallback of a failure comes free", []string{"a", "b"}, map[string]time.Duration{"b": 2 * time.Second}, "a", "b", "a b", 2 * time.Second, 0},
		{"the fallback of a failure does not: an answer later is better than none", []string{"a", "b"}, map[string]time.Duration{"b": time.Minute}, "a",
			chat.CodeKeysBusy, "a", patience, linePause},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched()
				scripts := map[string][]script{}
				for _, n := range test.names {
					scripts[n] = []script{says(n)}
				}
				if test.down != "" {
					scripts[test.down] = []script{fails(kind(chat.Unavailable))}
				}
				b := newBench(t, providers(", concurrency: 2", test.names...), scripts, func(o *Options) { o.Fleet = w })
				req := request()
				req.Keys = map[string][]chat.Secret{}
				for _, n := range test.names {
					req.Keys[n] = []chat.Secret{one}
					if d := test.taken[n]; d > 0 {
						w.occupy(t, n, 2, one, d)
					}
				}
				began := time.Now()
				got, err := b.ask(t.Context(), req)
				end, after := got.Reply.Provider, time.Duration(0)
				if e, ok := errors.AsType[*chat.Error](err); ok {
					end, after = e.Code, e.RetryAfter
					if e.Kind != chat.Overloaded {
						t.Errorf("kind %v", e.Kind)
					}
				}
				if end != test.want || time.Since(began) != test.took || after != test.after {
					t.Errorf("%q after %v, retry after %v: %v", end, time.Since(began), after, err)
				}
				if calls := strings.ReplaceAll(strings.Join(got.Calls, " "), "/gpt-4o", ""); calls != test.calls {
					t.Errorf("called %q, want %q", calls, test.calls)
				}
				time.Sleep(time.Hour)
				if w.left() != 0 || len(b.keys.running) != 0 {
					t.Errorf("places are held: %v, %v", w.keys, b.keys.running)
				}
			})
		})
	}
}

// Of several keys the one that comes free first is used, and the lines of the others are left.
func TestWaitingForAnyKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		b := newBench(t, providers(", concurrency: 1", "a"), map[string][]script{"a": {says("a")}}, func(o *Options) { o.Fleet = w })
		keys := secrets("one", "two", "three")
		for i, d := range []time.Duration{8 * time.Second, 2 * time.Second, 2 * time.Second} {
			w.occupy(t, "a", 1, keys[i], d)
		}
		req := request()
		req.Keys = map[string][]chat.Secret{"a": keys}
		began := time.Now()
		if _, err := b.ask(t.Context(), req); err != nil || time.Since(began) != 2*time.Second {
			t.Fatal(time.Since(began), err)
		}
		synctest.Wait()
		if key := b.calls[0].Key.Reveal(); key != "two" && key != "three" {
			t.Errorf("called with %s", key)
		}
		time.Sleep(time.Minute)
		if w.left() != 0 {
			t.Errorf("places are held: %v", w.keys)
		}
	})
}

// The turn's deadline begins with its first call, not in the line for a key.
func TestWaitingDoesNotEatTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		doc := providers(", concurrency: 1", "a") + "deadlines: {connect: 5s, first_token: 10s, idle: 10s, turn: 10s}\n"
		b := newBench(t, doc, map[string][]script{"a": {slowly(9*time.Second, says("a"))}}, func(o *Options) { o.Fleet = w })
		w.occupy(t, "a", 1, chat.Secret{}, 2*time.Second)
		began := time.Now()
		if _, err := b.ask(t.Context(), request()); err != nil || time.Since(began) != 11*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestLeavingTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		b := newBench(t, providers(", concurrency: 1", "a"), map[string][]script{"a": {says("a")}}, func(o *Options) { o.Fleet = w })
		w.occupy(t, "a", 1, chat.Secret{}, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.ask(ctx, request()); isBusy(err) || chat.KindOf(err) != chat.Timeout {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if w.left() != 0 {
			t.Error("somebody stands in the line who left")
		}
	})
}

// A key that rests after a rate limit is waited for outside, as long as it takes; one that rests for hours is not.
func TestRateLimitsAreWaitedFor(t *testing.T) {
	for _, test := range []struct {
		rest  time.Duration
		waits bool
	}{{2 * time.Second, true}, {5 * time.Minute, true}, {6 * time.Minute, false}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched()
			b := newBench(t, providers("", "a"), map[string][]script{
				"a": {fails(&chat.Error{Kind: chat.RateLimited, Op: "fake", Code: "slow", RetryAfter: test.rest}), says("a")}}, func(o *Options) { o.Fleet = w })
			began := time.Now()
			for range 3 {
				_, err := b.ask(t.Context(), request())
				e, ok := errors.AsType[*chat.Error](err)
				left := test.rest - time.Since(began)
				if !ok {
					t.Fatal("answered within the rest")
				}
				if isBusy(err) != (test.waits || left <= busyMost) || e.RetryAfter != left && e.RetryAfter != test.rest {
					t.Errorf("rests %v: %v, retry after %v", test.rest, err, e.RetryAfter)
				}
				time.Sleep(test.rest / 4)
			}
			if len(b.calls) != 1 {
				t.Errorf("%d calls within the rest", len(b.calls))
			}
			time.Sleep(test.rest - time.Since(began))
			if _, err := b.ask(t.Context(), request()); err != nil {
				t.Error("after the rest:", err)
			}
			want := []string{fmt.Sprintf("%s %v rate_limited slow", KeyName("a", chat.Secret{}), test.rest)}
			if diff := cmp.Diff(want, w.rests); diff != "" {
				t.Error("the fleet was told", diff)
			}
		})
	}
}

// Without a limit the fleet is not asked: nothing of a call depends on another server.
func TestWithoutALimitTheFleetIsNotAsked(t *testing.T) {
	w := newWatched()
	b := newBench(t, providers("", "a"), map[string][]script{"a": {says("a")}}, func(o *Options) { o.Fleet = w })
	if _, err := b.ask(t.Context(), request()); err != nil || len(w.asked) != 0 {
		t.Error(err, w.asked)
	}
}

// Whatever fails and whoever leaves, every hold is released, no key has more calls than its limit, and nothing is remembered.
func TestHoldsAreAlwaysReleased(t *testing.T) {
	const limit = 2
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 3))
				w := newWatched()
				var mu sync.Mutex
				running := map[string]int{}
				kinds := []chat.Kind{chat.Unavailable, chat.RateLimited, chat.Timeout, chat.Rejected, chat.Billing, chat.Internal}
				roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
				play := func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
					mu.Lock()
					if running[c.Key.Reveal()]++; running[c.Key.Reveal()] > 2*limit { // one key, two providers
						t.Error("over the limit")
					}
					mu.Unlock()
					defer func() { mu.Lock(); running[c.Key.Reveal()]--; mu.Unlock() }()
					then := says("x")
					if n := roll(12); n < len(kinds) {
						then = fails(kind(kinds[n]))
					}
					return slowly(time.Duration(roll(3000))*time.Millisecond, then)(ctx, c, emit)
				}
				b := newBench(t, providers(fmt.Sprintf(", concurrency: %d", limit), "a", "b"), map[string][]script{"a": {play}, "b": {play}},
					func(o *Options) { o.Fleet = w })
				var wg sync.WaitGroup
				for range 60 {
					wg.Go(func() {
						time.Sleep(time.Duration(roll(20_000)) * time.Millisecond)
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(20_000))*time.Millisecond)
						defer cancel()
						req := request()
						req.Keys = map[string][]chat.Secret{"a": secrets("one", "two"), "b": secrets("one")}
						_, _ = b.ask(ctx, req)
					})
				}
				wg.Wait()
				if w.left() != 0 || len(b.keys.running) != 0 {
					t.Errorf("places are held: %v, %v", w.keys, b.keys.running)
				}
				for name, s := range b.keys.state {
					if s.running != 0 || s.breaker.probing || s.breaker.trips == 0 {
						t.Errorf("%s is remembered: %+v", name, s)
					}
				}
			})
		})
	}
}

// crowded is a Fleet whose lines are full.
type crowded struct{ local }

func (*crowded) Hold(context.Context, string, int, bool) (func(), error) {
	return nil, keysBusy(0, errors.New("too many wait"))
}

// Whoever stood in line asks again at once, to stand there again; whoever found no line must not hammer.
func TestWhenToAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers(", concurrency: 1", "a"), nil, func(o *Options) { o.Fleet = &crowded{} })
		began := time.Now()
		_, err := b.ask(t.Context(), request())
		if e, ok := errors.AsType[*chat.Error](err); !ok || !isBusy(err) || e.RetryAfter != busyPause || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Going on to the next choice past keys at their limit uses what is there: it is no fallback, since nothing failed, and must raise no alarm.
func TestOverflow(t *testing.T) {
	for _, test := range []struct {
		name  string
		taken string // providers whose key is taken by others
		down  string
		rests string // providers whose key rests after a rate limit
		want  []string
	}{
		{"past a key at its limit", "a", "", "", []string{"fallbacks {provider=a,reason=keys_busy} 1", "turns ok c=b via=overflow"}},
		{"past two", "ab", "", "", []string{"fallbacks {provider=a,reason=keys_busy} 1", "fallbacks {provider=b,reason=keys_busy} 1", "turns ok c=c via=overflow"}},
		{"past a rate limit's rest", "", "", "a", []string{"fallbacks {provider=a,reason=keys_busy} 1", "turns ok c=b via=overflow"}},
		{"after an error", "", "a", "", []string{"fallbacks {provider=a,reason=unavailable} 1", "turns ok c=b via=fallback"}},
		{"an error, then past a limit", "b", "a", "", []string{"fallbacks {provider=a,reason=unavailable} 1", "fallbacks {provider=b,reason=keys_busy} 1",
			"turns ok c=c via=fallback"}},
		{"past a limit, then an error", "a", "b", "", []string{"fallbacks {provider=a,reason=keys_busy} 1", "fallbacks {provider=b,reason=unavailable} 1",
			"turns ok c=c via=fallback"}},
		{"none is free: it waits", "abc", "", "", []string{"fallbacks {provider=a,reason=keys_busy} 1", "fallbacks {provider=b,reason=keys_busy} 1",
			"turns keys_busy c=a via=route"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched()
				scripts := map[string][]script{}
				for _, n := range []string{"a", "b", "c"} {
					scripts[n] = []script{says(n)}
					if strings.Contains(test.down, n) {
						scripts[n] = []script{fails(kind(chat.Unavailable))}
					}
				}
				b := newBench(t, providers(", concurrency: 1", "a", "b", "c"), scripts, func(o *Options) { o.Fleet = w })
				for _, n := range strings.Split(test.taken, "") {
					w.occupy(t, n, 1, chat.Secret{}, time.Minute)
				}
				for _, n := range strings.Split(test.rests, "") {
					b.Rest(KeyName(n, chat.Secret{}), time.Minute, chat.RateLimited, "")
				}
				_, _ = b.ask(t.Context(), request())
				var got []string
				for _, line := range scrape(t, b) {
					if rest, ok := strings.CutPrefix(line, "parley_llm_fallbacks_total"); ok {
						got = append(got, "fallbacks "+rest)
					}
					var outcome, provider, via string
					if rest, ok := strings.CutPrefix(line, "parley_llm_turns_total{model=gpt-4o,outcome="); ok {
						rest = strings.NewReplacer(",provider=", " ", ",via=", " ", "} 1", "").Replace(rest)
						if _, err := fmt.Sscan(rest, &outcome, &provider, &via); err != nil {
							t.Fatal(line, err)
						}
						got = append(got, fmt.Sprintf("turns %s c=%s via=%s", outcome, provider, via))
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}
