package llm

import (
	"testing"

	"parley/internal/chat"
)

// A provider that refuses a call for the number of those that run says how many it takes: so many run from then on, none of them stops for it,
// and now and then one more is tried.
func TestALimitThatNobodyToldIsLearned(t *testing.T) {
	const allowed = 4
	r, c := ring(), choice(0, "a")
	var running []lease
	refusals, asked := 0, 0
	call := func() (ok bool) { // to a provider that takes so many
		l, err := r.take(t.Context(), c)
		if err != nil {
			if !isBusy(err) {
				t.Fatal(err)
			}
			return false
		}
		if asked++; len(running) == allowed {
			refusals++
			r.give(l, kind(chat.RateLimited))
			return false
		}
		running = append(running, l)
		return true
	}
	for call() {
	}
	if len(running) != allowed || refusals != 1 {
		t.Fatalf("%d run after %d refusals, want %d and 1", len(running), refusals, allowed)
	}
	if call() || refusals != 1 {
		t.Error("another call was made where the limit was known")
	}
	for range 25 * allowed { // one ends, and its place is taken at once
		r.give(running[0], nil)
		running = running[1:]
		if !call() {
			t.Fatal("a free place was not found")
		}
		for call() { // whoever else waits
		}
	}
	if share := float64(refusals) / float64(asked); refusals < 2 || share > 0.25 {
		t.Errorf("%d of %d calls were refused: a little more is to be tried, and seldom", refusals, asked)
	}
	for _, l := range running {
		r.give(l, nil)
	}
	if len(r.keys.state) != 0 {
		t.Error("a key without calls is remembered")
	}
}

// A limit that is no number of calls at once makes the key rest, as does one that says for how long.
func TestOtherLimitsMakeTheKeyRest(t *testing.T) {
	for name, failure := range map[string]*chat.Error{
		"alone":       nil,
		"retry after": {Kind: chat.RateLimited, RetryAfter: 5e9},
	} {
		t.Run(name, func(t *testing.T) {
			r, c := ring(), choice(0, "a")
			first := mustTake(t, r, c)
			if failure == nil {
				r.give(first, kind(chat.RateLimited))
			} else {
				r.give(mustTake(t, r, c), failure)
			}
			if rests := r.keys.rests("p", c.Keys); len(rests) != 1 {
				t.Errorf("%d keys rest, want it to", len(rests))
			}
		})
	}
}
