package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// puppet is a victim of nobody's: it notes what is done to it.
func puppet(name string) (*victim, func() (alive bool, deeds map[string]int)) {
	var mu sync.Mutex
	alive, deeds := true, map[string]int{}
	do := func(what string, lives bool) {
		mu.Lock()
		defer mu.Unlock()
		deeds[what]++
		alive = lives
	}
	v := &victim{
		name: name, pid: func() int { return 1 << 30 }, // nobody's
		kill:   func() { do("kill", false) },
		term:   func() error { do("term", false); return nil },
		revive: func(context.Context) error { do("revive", true); return nil },
		alive:  func() bool { mu.Lock(); defer mu.Unlock(); return alive },
	}
	return v, func() (bool, map[string]int) { mu.Lock(); defer mu.Unlock(); return alive, deeds }
}

func TestStrikesLeaveNobodyBehind(t *testing.T) {
	a, stateA := puppet("client-1")
	b, stateB := puppet("client-2")
	until, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	s := &strikes{log: t.Logf}
	err := s.run(t.Context(), until, 7, []lane{{
		name: "clients", victims: []*victim{a, b}, acts: []string{"kill", "term", "freeze", "stop"},
		min: time.Millisecond, max: 2 * time.Millisecond, longest: 501 * time.Millisecond,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []func() (bool, map[string]int){stateA, stateB} {
		alive, deeds := state()
		if !alive || deeds["kill"]+deeds["term"] != deeds["revive"] {
			t.Errorf("alive %v after %v", alive, deeds)
		}
	}
	if len(s.events) == 0 {
		t.Error("nothing was struck")
	}
}

func TestStrikesTellWhatFailed(t *testing.T) {
	v, _ := puppet("redis")
	until, cancel := context.WithCancel(t.Context())
	defer cancel()
	v.revive = func(context.Context) error { cancel(); return errors.New("no") }
	s := &strikes{log: t.Logf}
	l := lane{name: "redis", victims: []*victim{v}, acts: []string{"kill"}, min: time.Millisecond, max: time.Millisecond, longest: time.Second}
	if err := s.run(t.Context(), until, 7, []lane{l}); err == nil {
		t.Error("one that does not come back is no fault")
	}
}

// Equal seeds strike equally, whatever comes of it.
func TestSeedsRepeat(t *testing.T) {
	first := func(seed uint64) string {
		v, _ := puppet("client")
		until, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &strikes{log: func(format string, args ...any) {
			cancel() // the first strike is enough
		}}
		l := lane{name: "clients", victims: []*victim{v}, acts: []string{"kill", "term", "stop"}, min: time.Millisecond, max: time.Millisecond, longest: time.Second}
		if err := s.run(t.Context(), until, seed, []lane{l}); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(s.events[0].What, s.events[0].Part)
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		if a, b := first(seed), first(seed); a != b {
			t.Errorf("seed %d: %s and %s", seed, a, b)
		} else {
			seen[a] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("20 seeds strike in %d ways only", len(seen))
	}
}
