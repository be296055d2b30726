package llm

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// A key that is refused while it rests for another reason is alarmed all the same, and the rest that the provider asked for stays.
func TestRefusedWhileItRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		limited := &chat.Error{Kind: chat.RateLimited, Op: "fake", RetryAfter: 2 * time.Minute}
		b := newBench(t, providers(", key: env:P_API_KEY", "a", "b"), map[string][]script{
			"a": {slowly(2*time.Second, fails(kind(chat.Billing))), slowly(time.Second, fails(limited)), fails(kind(chat.Billing))}, "b": {says("b")},
		}, func(o *Options) { o.Telemetry = telemetry.New(&log, true, slog.LevelInfo) })
		began := time.Now()
		crowd(t, b, 2, 0)
		for time.Since(began) < 2*time.Minute {
			crowd(t, b, 1, time.Second)
		}
		if n := b.called()["a"]; n != 2 {
			t.Errorf("%d calls before Retry-After was over", n-2)
		}
		crowd(t, b, 300, time.Second)
		if n := strings.Count(log.String(), "an operator has to act"); n != 1 {
			t.Errorf("%d alarms, want 1", n)
		}
	})
}

// What a provider calls its error never passes for one of Parley's own codes, by which turns wait or go to another server.
func TestCodesOfProvidersAreTheirs(t *testing.T) {
	for _, code := range []string{chat.CodeKeysBusy, chat.CodeInstance, chat.CodeNoInstance} {
		for _, k := range []chat.Kind{chat.Invalid, chat.Overloaded, chat.Unauthenticated} {
			t.Run(code+" "+k.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, providers(", key: env:P_API_KEY", "a"), map[string][]script{"a": {fails(&chat.Error{Kind: k, Op: "fake", Code: code})}})
					for range 3 {
						_, err := b.ask(t.Context(), request())
						if e := asError(err); e.Kind != k && e.Kind != chat.Unavailable || e.Code == code {
							t.Errorf("got %v with the code %q", err, e.Code)
						}
					}
				})
			})
		}
		t.Run(code+" by another server's word", func(t *testing.T) {
			b := newBench(t, providers(", key: env:P_API_KEY", "a"), map[string][]script{"a": {says("a")}})
			b.Rest(KeyName("a", chat.NewSecret("env:P_API_KEY")), time.Minute, chat.Billing, code)
			if _, err := b.ask(t.Context(), request()); asError(err).Code == code {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A question can bring about an answer without a word: one person who asks it again and again does not shut a provider to all others.
func TestEmptyAnswersShutNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {says()}, "b": {says("b")}})
		for range 50 {
			if got, err := b.ask(t.Context(), request()); err != nil || got.Reply.Text != "b" {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
		if b.Providers()[0].Open {
			t.Error("the provider is shut")
		}
	})
}

// Whoever finds one provider's keys resting and another's at their limit waits in that one's line: asking now and then, without a place in
// the line, would never get past those who stand in it.
func TestWaitingWhereThereIsALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		b := newBench(t, providers(", concurrency: 1, key: env:P_API_KEY", "a", "b"), map[string][]script{"a": {says("a")}, "b": {says("b")}},
			func(o *Options) { o.Fleet = w })
		key := chat.NewSecret("env:P_API_KEY")
		b.Rest(KeyName("a", key), 4*time.Minute, chat.RateLimited, "")
		w.occupy(t, "b", 1, key, 2*time.Second)
		if got, err := b.ask(t.Context(), request()); err != nil || got.Reply.Provider != "b" {
			t.Errorf("got %+v, %v; want b's answer", got, err)
		}
		time.Sleep(5 * time.Second)
	})
}

// A provider that has no room says until when, and that is not this one key's matter: the turn's other keys wait as long.
func TestRetryAfterOfAProviderWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &chat.Error{Kind: chat.Overloaded, Op: "fake", RetryAfter: 6 * time.Second}
		b := newBench(t, providers("", "a"), map[string][]script{"a": {fails(full), says("a")}})
		req, began := request(), time.Now()
		req.Keys = map[string][]chat.Secret{"a": secrets("one", "two")}
		if _, err := b.ask(t.Context(), req); err != nil || time.Since(began) < 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A probe that ends late says nothing of a breaker that opened, or shut anew, since it began.
func TestAProbeThatIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := shutDown(t)
		time.Sleep(shutFirst)
		probe, _ := h.enter(time.Now(), false)
		forced, _ := h.enter(time.Now(), true)
		if h.ended(time.Now(), forced, nil, true) != nowOpen {
			t.Fatal("a forced call's success does not open it")
		}
		if h.ended(time.Now(), probe, kind(chat.Timeout), true); !h.admits(time.Now()) {
			t.Error("the old probe's failure shuts it again at once")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := shutDown(t)
		time.Sleep(shutFirst)
		old, _ := h.enter(time.Now(), false)
		forced, _ := h.enter(time.Now(), true)
		h.ended(time.Now(), forced, nil, true)
		for range tripRow {
			feel(t, h, chat.Unavailable)
		}
		time.Sleep(shutFirst)
		if p, ok := h.enter(time.Now(), false); !ok || !p.probe {
			t.Fatal("no probe")
		}
		if h.ended(time.Now(), old, kind(chat.Timeout), true); h.admits(time.Now()) {
			t.Error("a second probe goes beside the first")
		}
	})
}

// A server whose clock is wrong, or whose address the provider does not allow, is refused every key. It takes them from the others once, and no
// more, until these are refused themselves.
func TestAServerThatIsRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers(", key: env:P_API_KEY", "a"), map[string][]script{"a": {says("a")}})
		name := KeyName("a", chat.NewSecret("env:P_API_KEY"))
		fails := func(minutes int) (n int) {
			for i := range minutes * 60 {
				if i%30 == 0 {
					b.Rest(name, time.Minute, chat.Unauthenticated, "token_expired")
				}
				if _, err := b.ask(t.Context(), request()); err != nil {
					n++
				}
				time.Sleep(time.Second)
			}
			return n
		}
		if n := fails(1); n != 60 {
			t.Errorf("%d turns of the first minute do without the key, want 60: another server's word is believed", n)
		}
		time.Sleep(time.Minute)
		if _, err := b.ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		if n := fails(60); n != 0 {
			t.Errorf("%d turns do without a key that is taken here", n)
		}
		b.Rest(name, time.Minute, chat.RateLimited, "")
		if _, err := b.ask(t.Context(), request()); err == nil {
			t.Error("a rate limit is not believed")
		}
		time.Sleep(time.Minute)
		b.play("a", func(context.Context, Call, func(string) error) (Answer, error) {
			return Answer{}, kind(chat.Unauthenticated)
		}, says("a"))
		if _, err := b.ask(t.Context(), request()); err == nil {
			t.Fatal("it is not refused")
		}
		time.Sleep(restRefused)
		if n := fails(1); n != 60 {
			t.Errorf("%d turns do without the key, want 60: its own refusal proves the others right", n)
		}
		time.Sleep(time.Hour)
		if _, err := b.ask(t.Context(), request()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(provedFor)
		if _, err := b.ask(t.Context(), request()); err != nil || len(b.keys.state) != 0 {
			t.Errorf("%v; %d keys are remembered", err, len(b.keys.state))
		}
	})
}

// Thousands of turns of many tenants, with every fault, panics, cancels at any moment, routes that change and words of other servers, leave
// nothing behind: no place, no probe, no key but those that rest, and no goroutine, which synctest would not let pass. The limit holds all the while.
func TestStorm(t *testing.T) {
	const turns, limit = 400, 2
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(seed, 7))
				roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
				kinds := []chat.Kind{chat.Unavailable, chat.RateLimited, chat.Timeout, chat.Rejected, chat.Billing, chat.Internal, chat.Unauthenticated,
					chat.Overloaded, chat.NotFound, chat.Forbidden, chat.TooLarge, chat.Invalid, chat.Canceled}
				running := map[string]int{}
				play := func(name string) script {
					return func(ctx context.Context, c Call, emit func(string) error) (Answer, error) {
						mu.Lock()
						at := name + c.Key.Reveal()
						if running[at]++; running[at] > limit {
							t.Error("over the limit")
						}
						mu.Unlock()
						defer func() { mu.Lock(); running[at]--; mu.Unlock() }()
						e := &chat.Error{Kind: kinds[roll(len(kinds))], Op: "fake"}
						if roll(4) == 0 {
							e.RetryAfter = time.Duration(roll(20_000)) * time.Millisecond
						}
						then := []script{says("x", "y"), fails(e), fails(e, "x"), hangs(), hangs("x"), says(), says("x"), says("x"),
							func(context.Context, Call, func(string) error) (Answer, error) { panic("storm") }}[roll(9)]
						return slowly(time.Duration(roll(4000))*time.Millisecond, then)(ctx, c, emit)
					}
				}
				w := newWatched()
				b := newBench(t, providers(fmt.Sprintf(", concurrency: %d", limit), "a", "b"), map[string][]script{"a": {play("a")}, "b": {play("b")}},
					func(o *Options) { o.Fleet = w })
				var wg sync.WaitGroup
				for i := range turns {
					wg.Go(func() {
						time.Sleep(time.Duration(roll(60_000)) * time.Millisecond)
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(30_000))*time.Millisecond)
						defer cancel()
						defer func() { _ = recover() }()
						req := request()
						req.Deltas = roll(2) == 0
						if own := roll(5); own > 0 {
							req.Keys = map[string][]chat.Secret{"a": secrets(fmt.Sprint(own), "x"), "b": secrets(fmt.Sprint(i))}
						}
						if roll(10) == 0 {
							b.Rest(KeyName("a", chat.NewSecret("x")), time.Duration(roll(10_000))*time.Millisecond, kinds[roll(8)], "")
						}
						_ = b.Complete(ctx, req, func(chat.Event) error {
							if roll(40) == 0 {
								return context.Canceled
							}
							return nil
						})
					})
				}
				wg.Wait()
				if w.left() != 0 || len(b.keys.running) != 0 {
					t.Errorf("places are held: %v, %v", w.keys, b.keys.running)
				}
				for name, s := range b.keys.state {
					if s.running != 0 || s.breaker.probing || s.breaker.trips == 0 && s.proved.IsZero() {
						t.Errorf("%s is remembered: %+v", name, s)
					}
				}
				for e, c := range b.clients.open {
					if c.breaker.probing {
						t.Errorf("%s waits for a probe that has ended", e.Name)
					}
				}
			})
		})
	}
}

// A thousand tenants whose own keys change for ever, and are refused, do not fill the memory.
func TestKeysThatChangeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, providers("", "a"), map[string][]script{"a": {fails(kind(chat.Unauthenticated))}})
		most := 0
		for i := range 20_000 {
			req := request()
			req.Keys = map[string][]chat.Secret{"a": secrets(fmt.Sprint(i))}
			_, _ = b.ask(t.Context(), req)
			b.mu.Lock()
			b.calls = nil
			b.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			most = max(most, len(b.keys.state))
		}
		if most > 2048 {
			t.Errorf("%d keys are remembered", most)
		}
	})
}
