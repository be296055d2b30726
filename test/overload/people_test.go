package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
	"parley/test/ledger"
)

// What people are shown is matched with what they wrote, and what matches nothing is a fault.
func TestWhatPeopleAreShown(t *testing.T) {
	answer := func(who string, n int) string {
		return ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(ledger.ID{Person: who, N: n})}})
	}
	for name, c := range map[string]struct {
		shown []string // to amy, who wrote twice
		want  map[string]int
		lost  int
		extra int
	}{
		"both answered":            {[]string{answer("amy", 1), "（刚才排队）\n" + answer("amy", 2)}, map[string]int{answered: 2}, 0, 0},
		"told, then answered":      {[]string{"【言 crowded】3", answer("amy", 2)}, map[string]int{"crowded": 1, answered: 1}, 0, 0},
		"one of them":              {[]string{answer("amy", 2)}, map[string]int{answered: 1}, 1, 0},
		"answered twice":           {[]string{answer("amy", 1), answer("amy", 1), answer("amy", 2)}, map[string]int{answered: 2}, 0, 1},
		"answered and told":        {[]string{answer("amy", 1), answer("amy", 2), "【言 late】"}, map[string]int{answered: 2}, 0, 1},
		"somebody else's":          {[]string{answer("bob", 1), answer("amy", 1)}, map[string]int{answered: 1}, 1, 1},
		"an answer to no question": {[]string{answer("amy", 3)}, map[string]int{}, 2, 1},
		"a strange text":           {[]string{"你好"}, map[string]int{}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople()
			due := time.Now().Add(-time.Second)
			list := []*message{{person: "amy", due: due, acked: time.Now(), tries: 1}, {person: "amy", due: due, acked: time.Now(), tries: 2}}
			p.all["amy"] = &person{wrote: list}
			for _, text := range c.shown {
				p.shown(wecom.Sent{User: "amy", Content: text})
			}
			s := p.count(list)
			if diff := cmp.Diff(c.want, s.Replies); diff != "" || s.Lost != c.lost || s.Extra != c.extra {
				t.Errorf("lost %d, extra %d, replies (-want +got):\n%s", s.Lost, s.Extra, diff)
			}
			if s.AtOnce != 1 || s.Ack.N != 2 || s.AckP999 < time.Second {
				t.Errorf("acknowledgements %+v, p99.9 %v, at once %d", s.Ack, s.AckP999, s.AtOnce)
			}
			if ok := len(s.faults()) == 0; ok != (c.lost+c.extra == 0) {
				t.Errorf("faults %q", s.faults())
			}
		})
	}
}

func TestAtOnce(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	call := func(from, to int) llm.Entry {
		e := llm.Entry{At: at(from)}
		if to > 0 {
			e.EndedAt = at(to)
		}
		return e
	}
	for name, c := range map[string]struct {
		calls []llm.Entry
		want  int
	}{
		"none":              {nil, 0},
		"one after another": {[]llm.Entry{call(1, 2), call(2, 3)}, 1},
		"beside":            {[]llm.Entry{call(1, 4), call(2, 3), call(3, 5)}, 2},
		"one that runs":     {[]llm.Entry{call(1, 0), call(5, 6)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := atOnce(c.calls); got != c.want {
				t.Errorf("%d at once, want %d", got, c.want)
			}
		})
	}
}
