package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/crowd"
)

// sum is what became of a load.
type sum struct {
	Messages int            `json:"messages"`
	Unacked  int            `json:"not_acknowledged"`
	AtOnce   int            `json:"acknowledged_at_once"` // at the first try
	Lost     int            `json:"lost"`                 // acknowledged, and no reply
	Extra    int            `json:"doubled_or_strange"`   // shown, and no message's only reply
	Replies  map[string]int `json:"replies"`              // by what they were
	Ack      crowd.Latency  `json:"ack"`                  // due → 200
	AckP999  time.Duration  `json:"ack_p999_ns"`
	Answer   crowd.Latency  `json:"answer"` // due → answer shown
	Told     crowd.Latency  `json:"told"`   // due → text shown in place of an answer
	Reply    crowd.Latency  `json:"reply"`  // either
	First    string         `json:"first_extra,omitempty"`
}

// count sums up a load whose people wrote in no other.
func (p *people) count(list []*message) sum {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := sum{Messages: len(list), Replies: map[string]int{}}
	var acks, answers, told []time.Duration
	seen := map[string]bool{}
	for _, m := range list {
		switch {
		case m.acked.IsZero():
			s.Unacked++
		case m.what == "":
			s.Lost++
		}
		if !m.acked.IsZero() {
			acks = append(acks, m.acked.Sub(m.due))
			if m.tries == 1 {
				s.AtOnce++
			}
		}
		if m.what != "" {
			s.Replies[m.what]++
			if took := m.replied.Sub(m.due); m.what == answered {
				answers = append(answers, took)
			} else {
				told = append(told, took)
			}
		}
		if !seen[m.person] {
			seen[m.person] = true
			if x := p.all[m.person].extra; len(x) > 0 {
				s.Extra += len(x)
				s.First = m.person + " was shown " + x[0]
			}
		}
	}
	s.Reply = crowd.Summarize(slices.Concat(answers, told))
	s.Answer, s.Told, s.Ack = crowd.Summarize(answers), crowd.Summarize(told), crowd.Summarize(acks)
	if n := len(acks); n > 0 {
		s.AckP999 = acks[(n*999+999)/1000-1] // sorted by now
	}
	return s
}

// told lists what people were shown, the most frequent first.
func (s sum) told() string {
	names := slices.SortedFunc(maps.Keys(s.Replies), func(a, b string) int { return s.Replies[b] - s.Replies[a] })
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d", name, s.Replies[name])
	}
	return b.String()
}

// faults are what no load excuses.
func (s sum) faults() (list []string) {
	if s.Lost > 0 {
		list = append(list, fmt.Sprintf("%d messages acknowledged and neither answered nor told", s.Lost))
	}
	if s.Extra > 0 {
		list = append(list, fmt.Sprintf("%d replies too many; %s", s.Extra, s.First))
	}
	if s.Unacked > 0 {
		list = append(list, fmt.Sprintf("%d messages not acknowledged in three tries", s.Unacked))
	}
	if n := s.Replies["failed"] + s.Replies["timeout"] + s.Replies["rejected"]; n > 0 {
		list = append(list, fmt.Sprintf("%d messages failed: %s", n, s.told()))
	}
	return list
}
