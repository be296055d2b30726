package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/sim/llm"
)

// fell makes a turn that was refused by the first provider before the second answered.
func (s *scene) fell(sentMS int) *shot {
	x := s.add(moved, "s", second, sentMS)
	s.ledgers[first] = append(s.ledgers[first], llm.Entry{Last: x.question, At: at(sentMS), Outcome: llm.Faulted})
	return x
}

func TestStorm(t *testing.T) {
	f := &forecast{storm: storm{Recovery: 5 * time.Second}, began: at(0), opened: at(100), ended: at(1000)}
	for _, tc := range []struct {
		name  string
		turns func(*scene)
		want  stormResult
	}{
		{"the breaker opens and lets turns back", func(s *scene) {
			s.add(moved, "s", first, -10)
			s.fell(10)
			s.fell(20)
			s.add(moved, "s", second, 200)
			s.fell(300)                     // a probe
			s.add(moved, "s", second, 1200) // still away
			s.add(moved, "s", first, 1300)
			s.add(moved, "s", second, 1400)
			s.add(moved, "s", first, 5500)
		}, stormResult{Opened: 100 * time.Millisecond, Turns: 4, Calls: 7, Ratio: 1.75, Then: 2, ThenCalls: 3, ThenRatio: 1.5, Most: 2,
			Returned: 300 * time.Millisecond, Settled: 400 * time.Millisecond}},
		{"a turn fails", func(s *scene) {
			s.add(moved, "s", second, 200).err = errors.New("no")
			s.add(moved, "s", first, 1100)
		}, stormResult{Opened: 100 * time.Millisecond, Turns: 1, Calls: 1, Ratio: 1, Then: 1, ThenCalls: 1, ThenRatio: 1, Most: 1, Failed: 1,
			Returned: 100 * time.Millisecond, Settled: 0}},
		{"never back", func(s *scene) {
			s.fell(10)
			s.add(moved, "s", second, 5900)
		}, stormResult{Opened: 100 * time.Millisecond, Turns: 1, Calls: 2, Ratio: 2, Most: 2, Returned: -1, Settled: -1}},
		{"back and forth to the end", func(s *scene) {
			s.add(moved, "s", first, 1100)
			s.add(moved, "s", second, 5900)
		}, stormResult{Opened: 100 * time.Millisecond, Most: 1, Returned: 100 * time.Millisecond, Settled: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s scene
			tc.turns(&s)
			got := *f.judge(s.shots, calls(s.ledgers))
			if len(got.Faults) != got.Failed {
				t.Errorf("%d failed, faults %q", got.Failed, got.Faults)
			}
			got.storm, got.Took, got.Faults = storm{}, tc.want.Took, nil
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(stormResult{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	var s scene
	s.fell(10)
	if got := (&forecast{began: at(0), ended: at(1000)}).judge(s.shots, calls(s.ledgers)); got.Opened >= 0 || got.Then != 0 {
		t.Errorf("a breaker that never opened: %+v", got)
	}
}

func TestLast(t *testing.T) {
	for _, tc := range []struct {
		times []time.Time
		want  time.Time
	}{
		{nil, time.Time{}}, {[]time.Time{at(1), at(3), at(2)}, at(3)}, {[]time.Time{at(1), {}, at(2)}, time.Time{}},
	} {
		if got := last(tc.times); !got.Equal(tc.want) {
			t.Errorf("%v: got %v", tc.times, got)
		}
	}
}

func TestMostAtOncePerKey(t *testing.T) {
	entry := func(key string, from, to int) llm.Entry {
		e := llm.Entry{Key: key, At: at(from)}
		if to > 0 {
			e.EndedAt = at(to)
		}
		return e
	}
	got := most([]llm.Entry{
		entry("a", 0, 100), entry("a", 50, 150), entry("a", 100, 200), // the third begins when the first ends
		entry("b", 0, 10), entry("b", 20, 0), entry("b", 30, 0), entry("b", 40, 50), // two that run on
	})
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBusy(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("x"), false},
		{chat.E(chat.Unavailable, "op", nil), false},
		{chat.E(chat.Overloaded, "op", nil), true},
		{&chat.Error{Kind: chat.RateLimited, Code: chat.CodeKeysBusy}, true},
	} {
		if got := busy(tc.err); got != tc.want {
			t.Errorf("%v: got %v", tc.err, got)
		}
	}
}
