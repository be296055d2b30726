package main

import (
	"strings"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
)

// lease is how long a dead process's conversations stay its own.
const lease = 4 * time.Second

// takeovers measures from each kill of a client to the next call for each question that was being answered for it. The model tells: the
// killed process's calls are cancelled at once. A question that somebody else's trouble cancelled in the same moment is counted, too, which
// makes the figures better only where a server was struck in the very same moment. undisturbed are those after kills that nothing else accompanied.
func takeovers(events []event, calls []llm.Entry) (all, undisturbed crowd.Latency) {
	byQuestion := map[string][]llm.Entry{}
	for _, c := range calls {
		byQuestion[c.Last] = append(byQuestion[c.Last], c)
	}
	var times, calm []time.Duration
	for _, kill := range events {
		if kill.What != "kill" || !strings.HasPrefix(kill.Part, "client") {
			continue
		}
		quiet := alone(kill, events)
		for _, list := range byQuestion {
			for i, c := range list {
				if c.Outcome != llm.Cancelled || c.EndedAt.Before(kill.At) || c.EndedAt.After(kill.At.Add(300*time.Millisecond)) || i+1 == len(list) {
					continue
				}
				d := list[i+1].At.Sub(kill.At)
				times = append(times, d)
				if quiet {
					calm = append(calm, d)
				}
				break
			}
		}
	}
	return crowd.Summarize(times), crowd.Summarize(calm)
}

// alone reports whether nothing else was out of order from a moment before a kill to the end of any takeover.
func alone(kill event, events []event) bool {
	from, to := kill.At.Add(-2*time.Second), kill.At.Add(lease+2*time.Second)
	for _, e := range events {
		if e != kill && e.At.Before(to) && e.At.Add(e.Gone).After(from) {
			return false
		}
	}
	return true
}
