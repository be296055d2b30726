package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/sim/llm"
	"parley/test/crowd"
)

// In a rolling restart answers take longer than the clients' grace, so that a client that leaves has turns to hand over.
const (
	rollLinger = time.Second
	rollGrace  = time.Second
	// leaveWithin is how long a process may take to leave besides what it was given: a client its linger or grace, whichever is longer, a server
	// its longest answer. Handing over is bounded by 5 s, what is under way in requests by 5 s more.
	leaveWithin = 12 * time.Second
	// settled is how long a process runs before the next one is told to end, as orchestrators wait a moment, too.
	settled = time.Second
)

var (
	chaosPace = llm.Pace{First: 300 * time.Millisecond, Between: 60 * time.Millisecond, Chunks: 20}  // about 1.5 s: turns run whenever somebody is struck
	rollPace  = llm.Pace{First: 300 * time.Millisecond, Between: 120 * time.Millisecond, Chunks: 25} // about 3.3 s
)

func rollEnv() []string {
	return []string{"PARLEY_SHUTDOWN_LINGER=" + rollLinger.String(), "PARLEY_SHUTDOWN_GRACE=" + rollGrace.String()}
}

// rounds is the order of a rolling restart, over and over: all processes, then Redis; all processes, then Nacos, if it is the stage's own.
func (s *stage) rounds() [][]*victim {
	var nodes []*victim
	for i := range s.clients {
		nodes = append(nodes, &s.clients[i].victim, &s.servers[i].victim)
	}
	// Redis comes in the middle, so that a short run has it, too.
	rounds := [][]*victim{slices.Insert(slices.Clone(nodes), len(nodes)/2, s.redis)}
	if s.nacos != nil {
		rounds = append(rounds, slices.Insert(slices.Clone(nodes), len(nodes)/2, s.nacos))
	}
	return rounds
}

// roll tells one after the other to end and starts it again, until the time is over. One process is away at any time, no more.
func (s *strikes) roll(ctx, until context.Context, rounds [][]*victim) error {
	pause(until, settled)
	term := func() string { return "term" }
	s.round(ctx, ctx, rounds[0], term) // once whole, however slow the machine is
	for i := 1; until.Err() == nil; i++ {
		s.round(ctx, until, rounds[i%len(rounds)], term)
	}
	return s.result(ctx)
}

// round goes through the parts once, as long as there is time.
func (s *strikes) round(ctx, until context.Context, parts []*victim, act func() string) {
	for _, v := range parts {
		if until.Err() != nil {
			return
		}
		v.mu.Lock()
		s.struck(ctx, until, v, act(), 0, 0)
		v.mu.Unlock()
		pause(until, settled)
	}
}

var handing = regexp.MustCompile(`what still runs is handed over.*?conversations"?[=:](\d+)`)

// handedOver counts the turns that were handed over, by a process's log.
func handedOver(log string) (n int) {
	for _, m := range handing.FindAllStringSubmatch(log, -1) {
		k, _ := strconv.Atoi(m[1])
		n += k
	}
	return n
}

// rolled is what a rolling restart came to.
type rolled struct {
	HandedOver int                      `json:"handed_over"` // turns that ran when a grace was over
	Left       map[string]crowd.Latency `json:"left"`        // from SIGTERM to the end, by kind of process
	Entry      map[string]int           `json:"entry"`       // deliveries that the platform had to repeat, by what they met
}

// rolling judges what a rolling restart must not do, besides what chaos must not: nobody is told that something failed, no callback is
// refused but while Redis is away, and everybody leaves in time. A run in which nothing was handed over proves nothing.
func (r *result) rolling(talked map[string]*person, logs map[string]string) {
	out := &rolled{Left: map[string]crowd.Latency{}, Entry: map[string]int{}}
	r.Rolled = out
	a := &r.Account
	for name, n := range a.Excused {
		if n > 0 {
			a.fault("apology", "%d × %s", n, name)
		}
	}
	if a.GivenUp > 0 {
		a.fault("given up", "the platform gave %d messages up", a.GivenUp)
	}
	for _, log := range logs {
		out.HandedOver += handedOver(log)
	}
	if out.HandedOver == 0 {
		a.fault("unproven", "no turn was handed over: nothing ran when the grace of a client was over")
	}
	r.entry(talked)
	r.leaving()
}

// entry judges what the platform met at the tenants' entries. A connection that a leaving client closes while it is idle may be in use again
// on the platform's side by then: HTTP/1.1 cannot tell it in time. That is rare, and the platform delivers again. As many tries as are forgiven
// may have met a disk or a core that stood still for others.
func (r *result) entry(talked map[string]*person) {
	rare, slow := 0, 0
	for _, p := range sortedPeople(talked) {
		for _, m := range p.said {
			for _, t := range m.Refused {
				until := t.At.Add(t.Took)
				what, excused := fmt.Sprintf("status %d", t.Status), false
				if t.Status == 0 {
					what = "broken"
				}
				switch {
				case (t.Status == 0 || t.Status == http.StatusServiceUnavailable) && r.away("redis", t.At, until):
					what, excused = what+", Redis away", true
				case t.Status == 0 && r.away("client", t.At, until):
					rare++
					what, excused = what+", a client leaving", true
				}
				if !excused && (t.Status == 0 || t.Status == http.StatusServiceUnavailable) && slow < r.forgiven {
					slow++
					what, excused = what+", forgiven", true
				}
				r.Rolled.Entry[what]++
				if !excused {
					r.Account.fault("entry", "%s: message %d met %s at %s after %s %s", p.name, m.ID.N, what, t.At.Format("15:04:05.000"), t.Took, t.Err)
				}
			}
		}
	}
	if rare*100 > r.Account.Posted+100*r.forgiven {
		r.Account.fault("entry", "%d of %d messages met a connection that a leaving client broke", rare, r.Account.Posted)
	}
}

func (r *rolled) print(w io.Writer) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "  %-18s %7d\n", "turns handed over", r.HandedOver)
	for _, k := range slices.Sorted(maps.Keys(r.Left)) {
		fmt.Fprintf(w, "  %-18s %s (n %d)\n", k+" left after", r.Left[k], r.Left[k].N)
	}
	for _, what := range slices.Sorted(maps.Keys(r.Entry)) {
		fmt.Fprintf(w, "  %-18s %7d\n", "entry: "+what, r.Entry[what])
	}
}

// away reports whether a part was not whole at any time between two moments, or a moment before: a connection to it comes back with a delay.
func (r *result) away(part string, from, to time.Time) bool {
	return slices.ContainsFunc(r.events, func(e event) bool {
		return kind(e.Part) == part && e.At.Before(to) && e.At.Add(e.Gone+2*time.Second).After(from)
	})
}

// leaving judges how long processes took to leave, and whether every kind of them did.
func (r *result) leaving() {
	longest := rollPace.First + time.Duration(rollPace.Chunks)*rollPace.Between
	times := map[string][]time.Duration{}
	for _, e := range r.events {
		times[kind(e.Part)] = append(times[kind(e.Part)], e.Left)
		if bound := longest + leaveWithin; e.Left > bound && !strings.HasPrefix(e.Part, "nacos") {
			r.Account.fault("slow", "%s took %s to leave, %s is the most", e.Part, e.Left, bound)
		}
	}
	for _, k := range []string{"client", "server", "redis"} {
		if len(times[k]) == 0 {
			r.Account.fault("unproven", "no %s was restarted: the run was too short", k)
		}
	}
	for k, list := range times {
		r.Rolled.Left[k] = crowd.Summarize(list)
	}
}
