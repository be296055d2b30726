package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/crowd"
)

// result is what a run came to.
type result struct {
	Seed        uint64         `json:"seed"`
	Plant       string         `json:"plant,omitempty"`
	Took        float64        `json:"took_s"`
	Account     account        `json:"account"`
	Struck      map[string]int `json:"struck"` // by what and which kind of part: "kill client"
	Acks        crowd.Latency  `json:"acks"`
	Takeover    crowd.Latency  `json:"takeover"`
	Undisturbed crowd.Latency  `json:"takeover_undisturbed"`
	Platform    wecom.Stats    `json:"platform"`
	Computed    int            `json:"computed"` // calls of the model
	Rest        []rest         `json:"rest"`
	Rolled      *rolled        `json:"rolled,omitempty"`
	Started     map[string]int `json:"started,omitempty"` // starts of each binary, where there are two
	events      []event
	forgiven    int
}

// rest is what a process is at when nobody talks any more.
type rest struct {
	Name       string  `json:"name"`
	Goroutines float64 `json:"goroutines"`
	Before     float64 `json:"before"` // goroutines before anybody talked
	Heap       float64 `json:"heap_mb"`
	RSS        int64   `json:"rss_mb"`
}

func (r *result) ok() bool { return len(r.Account.Faults) == 0 && r.Account.Answered > 0 }

// kind is what a part's name begins with: client of client-2, redis of redis-client-2.
func kind(part string) string {
	name, _, _ := strings.Cut(part, "-")
	return name
}

func tally(events []event) map[string]int {
	out := map[string]int{}
	for _, e := range events {
		out[e.What+" "+kind(e.Part)]++
	}
	return out
}

// String is the table for a person.
func (r *result) String() string {
	var b strings.Builder
	a := r.Account
	fmt.Fprintf(&b, "\n%d people in %s (seed %d)\n", a.People, time.Duration(r.Took*float64(time.Second)).Round(time.Second), r.Seed)
	for _, what := range slices.Sorted(maps.Keys(r.Struck)) {
		fmt.Fprintf(&b, "  %-18s %7d\n", what, r.Struck[what])
	}
	fmt.Fprintln(&b, "ledger")
	for _, l := range []struct {
		name string
		n    int
	}{
		{"posted", a.Posted}, {"acknowledged", a.Acked}, {"given up by WeCom", a.GivenUp}, {"answered", a.Answered}, {"stop commands", a.Stops},
		{"answers stopped", a.Stopped}, {"deliveries", r.Platform.Tries + r.Platform.Again}, {"resent, noticed", r.Platform.Duplicates},
		{"calls of the model", r.Computed},
	} {
		fmt.Fprintf(&b, "  %-18s %7d\n", l.name, l.n)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Excused)) {
		fmt.Fprintf(&b, "  %-18s %7d, each with its reason in a log\n", "apology: "+name, a.Excused[name])
	}
	fmt.Fprintf(&b, "acknowledged after  %s\ntaken over after    %s (n %d)\n  nothing else amiss %s (n %d)\n",
		r.Acks, r.Takeover, r.Takeover.N, r.Undisturbed, r.Undisturbed.N)
	r.Rolled.print(&b)
	for _, which := range slices.Sorted(maps.Keys(r.Started)) {
		fmt.Fprintf(&b, "  %-18s %7d starts\n", which, r.Started[which])
	}
	for _, n := range r.Rest {
		fmt.Fprintf(&b, "  %-10s %4.0f goroutines at rest (%.0f before), %.0f MB of heap, %d MB resident\n", n.Name, n.Goroutines, n.Before, n.Heap, n.RSS)
	}
	b.WriteString(r.faults())
	if r.ok() {
		fmt.Fprintln(&b, "CLEAN: every acknowledged message has exactly one reply, in order, with the right context, or a recorded reason")
	} else {
		fmt.Fprintf(&b, "NOT CLEAN (seed %d)\n", r.Seed)
	}
	return b.String()
}

// faults lists the first faults of each kind.
func (r *result) faults() string {
	const first = 3
	var b strings.Builder
	n := map[string]int{}
	for _, f := range r.Account.Faults {
		if n[f.Kind]++; n[f.Kind] <= first {
			fmt.Fprintf(&b, "  %s: %s\n", f.Kind, f.What)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "  FAULTS: %d × %s\n", n[k], k)
	}
	return b.String()
}

// measure reads what processes are at.
func measure(ctx context.Context, nodes []*player) map[string]rest {
	out := map[string]rest{}
	for _, p := range nodes {
		n := p.now()
		m, err := n.Metrics(ctx)
		if err != nil {
			continue
		}
		out[p.name] = rest{
			Name: p.name, Goroutines: m.Sum("go_goroutines"), Heap: m.Sum("go_memstats_heap_alloc_bytes") / (1 << 20), RSS: n.Usage().RSS >> 20,
		}
	}
	return out
}

// crowded reports more goroutines than a process without work has.
func (n rest) crowded() bool { return n.Goroutines > 1.5*n.Before+60 }

// idleFor is how long connections without work are kept, on both sides, each with its goroutines; and some.
const idleFor = 2 * time.Minute

// atRest measures when everything that was opened in a rush is closed again, or should be.
func atRest(ctx context.Context, nodes []*player, before map[string]rest) map[string]rest {
	for deadline := time.Now().Add(idleFor); ; pause(ctx, time.Second) {
		after, crowded := measure(ctx, nodes), false
		for name, n := range after {
			n.Before = before[name].Goroutines
			crowded = crowded || n.crowded()
		}
		if !crowded || time.Now().After(deadline) || ctx.Err() != nil {
			return after
		}
	}
}

// rested compares what processes are at with what they were at, and judges: neither goroutines nor memory may stay.
func (r *result) rested(before, after map[string]rest) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		n, ok := after[name]
		if !ok {
			r.Account.fault("gone", "%s does not tell its metrics", name)
			continue
		}
		n.Before = before[name].Goroutines
		r.Rest = append(r.Rest, n)
		if n.crowded() {
			r.Account.fault("goroutines", "%s has %.0f at rest, and had %.0f", name, n.Goroutines, n.Before)
		}
		if n.Heap > before[name].Heap+100 {
			r.Account.fault("memory", "%s holds %.0f MB of heap at rest, and held %.0f", name, n.Heap, before[name].Heap)
		}
	}
}

func readLog(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}
