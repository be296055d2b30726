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
		fmt.Fprintf(&b, "  %-38s "+format+"\n", append([]any{name}, args...)...)
	}
	m := r.Machine
	fmt.Fprintf(&b, "\nParley %s: go run ./test/overload %s\n", m.Commit, r.Command)
	row("machine", "%d × %s, load average before %s", m.Cores, m.CPU, m.Load)
	row("when", "%s, %.0f s in all", r.Began.Format(time.RFC3339), r.Took)
	if r.Goodput != nil {
		r.Goodput.rows(&b, row)
	}
	if r.Refusals != nil {
		r.Refusals.rows(&b, row)
	}
	if r.Fairness != nil {
		r.Fairness.rows(&b, row)
	}
	if r.Burst != nil {
		r.Burst.rows(&b, row)
	}
	if r.Limits != nil {
		r.Limits.rows(&b, row)
	}
	if r.Acks != nil {
		r.Acks.rows(&b, row)
	}
	return b.String()
}

type rowFunc func(name, format string, args ...any)

func (s sum) rows(row rowFunc, name string) {
	row(name, "%d messages: %s; lost %d, doubled %d, no 200 %d", s.Messages, s.told(), s.Lost, s.Extra, s.Unacked)
	row("  acknowledged after", "%s  p99.9 %s  max %s; at the first try %d", short(s.Ack), ms(s.AckP999), ms(s.Ack.Max), s.AtOnce)
	row("  answered after", "%s  max %s", short(s.Answer), ms(s.Answer.Max))
	if s.Told.N > 0 {
		row("  told after", "%s  max %s", short(s.Told), ms(s.Told.Max))
	}
}

func short(l crowd.Latency) string { return fmt.Sprintf("p50 %s  p99 %s", ms(l.P50), ms(l.P99)) }

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }

func (g *goodputResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\n%s: the model takes %d calls at once, of %s each: %.0f answers a second\n", g.tenant(), g.Places, g.Answer, g.Capacity)
	for _, l := range g.Levels {
		l.Sum.rows(row, fmt.Sprintf("offered %d times", l.Times))
		row("  goodput", "%.1f a second, %.0f %% of the capacity", l.Goodput, 100*l.Goodput/g.Capacity)
	}
	row("kept at the last, of the peak", "%.0f %%", 100*g.Kept)
	row("most calls at once; refused", "%d; %d", g.Most, g.Refused)
}

func (f *fairnessResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nfairness: %d tenants of %d turns in flight each; phases of %s in turn, in every second one tenant asks for ten times that\n", f.Tenants, f.Quota, f.For)
	row("the others' replies, all as usual", "%s  max %s  (n %d)", short(f.Quiet), ms(f.Quiet.Max), f.Quiet.N)
	row("the others' replies, one is greedy", "%s  max %s  (n %d)", short(f.Loud), ms(f.Loud.Max), f.Loud.N)
	row("their p99 is worse by", "%.1f %%", 100*f.Worse)
	f.Greedy.rows(row, "the greedy one")
	list(b, f.Faults)
}

func (x *burstResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nburst: %d people write within %s, %.0f a second; the model answers %.0f (%d at once, %s each)\n", x.People, x.Within, x.Demand, x.Capacity, x.Places, burstAnswer)
	x.Sum.rows(row, "all")
	row("accepted to reply of either kind", "%s  max %s", short(x.Waited), ms(x.Waited.Max))
	row("of the model was used", "%.0f %%", 100*x.Used)
}

func (l *limitsResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nlimits: over %d replicas, which took %d messages\n", replicas, l.Served)
	row(fmt.Sprintf("turns_in_flight %d: most at once", l.InFlight), "%d; %d people: %s", l.Most, l.People, l.Flight.told())
	row(fmt.Sprintf("per_user_per_minute %d: answered", l.PerMinute), "%d to %d of each person's messages: %s", l.Answered[0], l.Answered[1], l.Rate.told())
}

func (a *acksResult) rows(b *strings.Builder, row rowFunc) {
	fmt.Fprintf(b, "\nacks: %d callbacks a second for %s, from due; the model answers at once\n", a.Rate, a.For)
	a.Sum.rows(row, "all")
	for _, name := range slices.Sorted(maps.Keys(a.CPU)) {
		row("  cores used by "+name, "%.2f", a.CPU[name])
	}
}

func list(b *strings.Builder, faults []string) {
	for _, f := range faults {
		fmt.Fprintf(b, "    %s\n", f)
	}
}
