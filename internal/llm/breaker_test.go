package llm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// feel calls a provider's health once and gives what its breaker did: the call ends with kind, or well with -1.
func feel(t *testing.T, h *health, k chat.Kind) change {
	t.Helper()
	p, ok := h.enter(time.Now(), false)
	if !ok {
		t.Fatal("the breaker is shut")
	}
	return h.ended(time.Now(), p, failureOf(k), true)
}

func failureOf(k chat.Kind) *chat.Error {
	if k < 0 {
		return nil
	}
	return kind(k)
}

const fine chat.Kind = -1

func TestWhatShutsAProvider(t *testing.T) {
	times := func(n int, kinds ...chat.Kind) (list []chat.Kind) {
		for range n {
			list = append(list, kinds...)
		}
		return list
	}
	down := chat.Unavailable
	for _, test := range []struct {
		name  string
		gap   time.Duration // between two calls
		calls []chat.Kind
		after int // calls until it shuts; 0: it does not
	}{
		{"five in a row", 0, times(9, down), 5},
		{"five in a row, hours apart", time.Hour, times(9, down), 5},
		{"of any kind of fault", 0, []chat.Kind{down, chat.Timeout, chat.Overloaded, chat.Timeout, down}, 5},
		{"four in a row, again and again", 0, times(5, down, down, down, down, fine), 21},
		{"every other, enough calls", 0, times(20, fine, down), 20},
		{"every other, too few in a window", 2 * time.Second, times(40, fine, down), 0},
		{"every third", 0, times(40, fine, fine, down), 0},
		{"a bad key", 0, times(30, chat.Unauthenticated, chat.Billing, chat.RateLimited), 0},
		{"a bad request", 0, times(30, chat.Invalid, chat.Rejected, chat.TooLarge, chat.NotFound, chat.Forbidden), 0},
		{"the person left", 0, times(30, chat.Canceled), 0},
		{"a bad key is no success either", 0, []chat.Kind{down, down, chat.Billing, down, down, chat.RateLimited, down}, 7},
		{"a refusal of content is an answer", 0, times(3, down, down, down, down, chat.Rejected, fine, fine, fine, fine, fine, fine, fine, fine), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, after := newHealth(), 0
				for i, k := range test.calls {
					if feel(t, h, k) == nowShut {
						after = i + 1
						break
					}
					time.Sleep(test.gap)
				}
				if after != test.after {
					t.Errorf("shut after %d calls, want %d", after, test.after)
				}
			})
		})
	}
}

func shutDown(t *testing.T) *health {
	t.Helper()
	h := newHealth()
	for range tripRow {
		feel(t, h, chat.Unavailable)
	}
	if h.admits(time.Now()) {
		t.Fatal("the breaker is not shut")
	}
	return h
}

func TestRestsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := shutDown(t)
		for _, most := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second} {
			rest := h.rest(time.Now())
			if rest > most || rest < most*3/4 {
				t.Errorf("rests %v, want up to a quarter less than %v", rest, most)
			}
			time.Sleep(rest - 1)
			if h.admits(time.Now()) {
				t.Error("it is open before its time")
			}
			time.Sleep(time.Nanosecond)
			feel(t, h, chat.Timeout)
		}
		time.Sleep(h.rest(time.Now()))
		if feel(t, h, fine) != nowOpen {
			t.Error("a probe's success does not open it")
		}
		feel(t, h, chat.Unavailable)
		if !h.admits(time.Now()) {
			t.Error("one failure after the recovery shuts it")
		}
		for range tripRow - 1 {
			feel(t, h, chat.Unavailable)
		}
		if rest := h.rest(time.Now()); rest > shutFirst {
			t.Errorf("the next outage begins with a rest of %v", rest)
		}
	})
}

func TestHowAProbeEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		end    chat.Kind
		counts bool
		want   change
		admits bool // another call right after it
	}{
		{"success", fine, true, nowOpen, true},
		{"content refused", chat.Rejected, true, nowOpen, true},
		{"failure", chat.Unavailable, true, unchanged, false},
		{"its key is refused: the next one tries", chat.Unauthenticated, true, unchanged, true},
		{"rate limit: the next one tries", chat.RateLimited, true, unchanged, true},
		{"the person left: the next one tries", chat.Canceled, true, unchanged, true},
		{"the caller's deadline: the next one tries", chat.Timeout, false, unchanged, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := shutDown(t)
				time.Sleep(shutFirst)
				p, ok := h.enter(time.Now(), false)
				if !ok || !p.probe {
					t.Fatalf("no probe after the rest: %+v", p)
				}
				if h.admits(time.Now()) || h.rest(time.Now()) <= 0 {
					t.Error("a second call goes beside the probe")
				}
				if got := h.ended(time.Now(), p, failureOf(test.end), test.counts); got != test.want || h.admits(time.Now()) != test.admits {
					t.Errorf("got %v, admits %v; want %v, %v", got, h.admits(time.Now()), test.want, test.admits)
				}
			})
		})
	}
}

// What began before the breaker shut says nothing of how things are now.
func TestLateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth()
		var old []pass
		for range 100 {
			p, _ := h.enter(time.Now(), false)
			old = append(old, p)
		}
		for _, p := range old[:50] { // a hundred hang together: one outage
			h.ended(time.Now(), p, kind(chat.Timeout), true)
		}
		if h.breaker.trips != 1 {
			t.Errorf("%d trips", h.breaker.trips)
		}
		if h.ended(time.Now(), old[50], nil, true) == nowOpen || h.admits(time.Now()) {
			t.Error("an old answer opens the breaker")
		}
		time.Sleep(shutFirst)
		feel(t, h, fine)
		for _, p := range old[51:] {
			h.ended(time.Now(), p, kind(chat.Timeout), true)
		}
		if !h.admits(time.Now()) {
			t.Error("old failures shut it again")
		}
	})
}

func TestForcedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := shutDown(t)
		rest := h.rest(time.Now())
		p, ok := h.enter(time.Now(), true)
		if !ok || p.probe {
			t.Fatalf("%+v, %v", p, ok)
		}
		h.ended(time.Now(), p, kind(chat.Unavailable), true)
		if h.rest(time.Now()) != rest {
			t.Error("a forced call's failure prolongs the rest")
		}
		p, _ = h.enter(time.Now(), true)
		if h.ended(time.Now(), p, nil, true) != nowOpen {
			t.Error("a forced call's success does not open the breaker")
		}
	})
}

// Whatever calls come and end in whatever order, a shut breaker has at most one probe on its way, and lets one go once its rest is over.
func TestNeverTwoProbes(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { probes(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func probes(t *testing.T, r *rand.Rand) {
	h := newHealth()
	var running []pass
	ends := []chat.Kind{fine, chat.Unavailable, chat.Unavailable, chat.Timeout, chat.Canceled, chat.Unauthenticated, chat.Rejected}
	for range 400 {
		switch n := r.IntN(10); {
		case n < 5:
			before := h.breaker
			p, ok := h.enter(time.Now(), r.IntN(8) == 0)
			if !ok {
				break
			}
			if before.trips > 0 && !before.probing && !time.Now().Before(before.until) != p.probe {
				t.Fatalf("trips %d, rest %v: probe %v", before.trips, time.Until(before.until), p.probe)
			}
			running = append(running, p)
		case n < 8 && len(running) > 0:
			i := r.IntN(len(running))
			p := running[i]
			running = append(running[:i], running[i+1:]...)
			h.ended(time.Now(), p, failureOf(ends[r.IntN(len(ends))]), r.IntN(10) > 0)
		default:
			time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
		}
		current := 0
		for _, p := range running {
			if p.probe && p.round == h.breaker.round && h.breaker.trips > 0 {
				current++
			}
		}
		if current > 1 || h.breaker.probing != (current == 1) {
			t.Fatalf("%d probes on their way, the breaker says %v", current, h.breaker.probing)
		}
		if h.breaker.trips == 0 && h.breaker.probing {
			t.Fatal("an open breaker waits for a probe")
		}
	}
}

func TestRetryBudget(t *testing.T) {
	spend := func(h *health) (n int) {
		for h.retry(time.Now()) {
			n++
		}
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHealth()
		got := []int{spend(h)}
		for range 20 {
			h.turn()
		}
		got = append(got, spend(h))
		time.Sleep(3 * time.Minute)
		got = append(got, spend(h))
		for range 1000 {
			h.turn()
		}
		time.Sleep(time.Hour)
		got = append(got, spend(h))
		if diff := cmp.Diff([]int{10, 4, 3, 10}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJitter(t *testing.T) {
	for range 1000 {
		if d := jitter(time.Second); d > time.Second || d <= 750*time.Millisecond {
			t.Fatal(d)
		}
	}
	if jitter(0) != 0 || jitter(3) != 3 {
		t.Error("tiny times")
	}
}
