package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/crowd"
)

// table is the report for a person.
func (r *report) table() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-40s "+format+"\n", append([]any{name}, args...)...)
	}
	m := r.Machine
	fmt.Fprintf(&b, "\nParley %s: go run ./test/degrade %s (seed %d)\n", m.Commit, r.Command, r.Seed)
	row("machine", "%d cores, load average before %s, %s, Nacos %s; all of it and the load on these cores", m.Cores, m.Load, m.Go, m.Nacos)
	row("when", "%s, %.0f s in all", r.Began.Format(time.RFC3339), r.Took)
	if r.Switches != nil {
		r.Switches.rows(&b, row)
	}
	if r.Young != nil {
		r.Young.rows(&b, row)
	}
	if r.Storm != nil {
		r.Storm.rows(&b, row)
	}
	if r.Keys != nil {
		r.Keys.rows(&b, row)
	}
	if r.Outage != nil {
		r.Outage.rows(&b, row)
	}
	return b.String()
}

type rowFunc func(name, format string, args ...any)

func short(l crowd.Latency) string {
	if l.N == 0 {
		return "none"
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond)) }
	return fmt.Sprintf("p50 %4s  p99 %4s  max %4s ms", ms(l.P50), ms(l.P99), ms(l.Max))
}

func (s switched) row(row rowFunc) {
	row(s.Of, "%s | %s | %s  (n %d)", short(s.Last), short(s.First), short(s.Told), s.Last.N)
}

const columns = "publish to the last turn on the old provider | to the first on the new one | to in force, as the server says"

func list(b *strings.Builder, faults []string) {
	for _, f := range faults {
		fmt.Fprintf(b, "    %s\n", f)
	}
}

func (s *switchesResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nswitches: %d publications under %d turns a second (open loop, 3 servers); the switch moves one tenant in ten; an answer lasts %s\n",
		s.Number, s.Rate, s.Model.First+time.Duration(s.Model.Chunks-1)*s.Model.Between)
	row("turns, failed", "%d, %d", s.Turns, s.Failed)
	row("of the switched tenant, on the target", "%d, %d", s.Moved, s.OnSecond)
	row("running at a switch, ended where they were", "%d", s.Running)
	row("the load left late by", "%s", short(s.Late))
	row("", "%s", columns)
	s.First.row(row)
	for _, list := range [][]switched{s.PerServer, s.PerWay} {
		for _, x := range list {
			x.row(row)
		}
	}
	s.All.row(row)
	row("of it: published to served by Nacos", "%s  (by the APIs, n %d)", short(s.Served), s.Served.N)
	row("of it: served by Nacos to in force", "%s", short(s.All.Own))
	row("the slowest", "%s", s.Slowest)
	row("a command, from Enter to Nacos has it", "%s", short(s.Entered))
	row("a command, to \"in force on 3 of 3\", whole", "%s  (n %d)", short(s.Command), s.Command.N)
	list(b, s.Faults)
}

func (y *youngResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nyoung: published when servers were ready for %s (%d turns a second each)\n", age, y.Rate)
	row("turns, failed", "%d, %d", y.Turns, y.Failed)
	row("", "%s", columns)
	y.New.row(row)
	y.Known.row(row)
	list(b, y.Faults)
}

func (s *stormResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nstorm: %s answers errors only for %s under %d turns a second on 3 servers, with a healthy fallback\n", first, s.For, s.Rate)
	row("turns, not answered", "%d, %d", s.Turns, s.Failed)
	row("calls to both providers a turn", "%.3f (%d), at most %d of one turn", s.Ratio, s.Calls, s.Most)
	row("all breakers open after", "%s", since(s.Opened))
	row("calls a turn from then on", "%.3f (%d of %d turns)", s.ThenRatio, s.ThenCalls, s.Then)
	row("answered after", "%s", short(s.Took))
	row("well again: first turn, all turns back", "%s, %s", since(s.Returned), since(s.Settled))
	list(b, s.Faults)
}

func since(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func (k *keysResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nkeys: %d people ask at once; the key allows %d calls at once\n", k.People, k.Limit)
	for _, f := range k.Fleets {
		name := fmt.Sprintf("with %d servers", f.Servers)
		for _, key := range slices.Sorted(maps.Keys(f.Most)) {
			row(name, "most at once with key %s: %d; %d waits, %d not answered; %.1f s in all, %.1f s at best",
				key, f.Most[key], f.Waits, f.Failed, f.Took.Seconds(), f.Ideal.Seconds())
		}
		list(b, f.Faults)
	}
}

func (o *outageResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\noutage: the switch is on\n")
	row("servers killed and started again", "%d; first turns went to %s; ready after %s", o.Restarts, strings.Join(o.First, ", "), short(o.Ready))
	row("a faulty document was refused by", "%d of 3 servers", o.Refused)
	row("Nacos was "+o.How+" for", "%s", o.Without)
	row("turns, failed or not degraded", "%d, %d", o.Turns, o.Failed)
	list(b, o.Faults)
}
