package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
)

// table is the report for a person.
func (r *report) table() string {
	sh := new(figures.Sheet)
	r.Machine.Head(sh, "overload")
	if r.Goodput != nil {
		r.Goodput.rows(sh)
	}
	if r.Refusals != nil {
		r.Refusals.rows(sh)
	}
	if r.Fairness != nil {
		r.Fairness.rows(sh)
	}
	if r.Burst != nil {
		r.Burst.rows(sh)
	}
	if r.Limits != nil {
		r.Limits.rows(sh)
	}
	if r.Acks != nil {
		r.Acks.rows(sh)
	}
	return sh.String()
}

func (s sum) rows(sh *figures.Sheet, name string) {
	sh.Row(name, "%d messages: %s; lost %d, doubled %d, no 200 %d", s.Messages, s.told(), s.Lost, s.Extra, s.Unacked)
	sh.Row("  acknowledged after", "%s  p99.9 %s  max %s; at the first try %d", short(s.Ack), ms(s.AckP999), ms(s.Ack.Max), s.AtOnce)
	sh.Row("  answered after", "%s  max %s", short(s.Answer), ms(s.Answer.Max))
	if s.Told.N > 0 {
		sh.Row("  told after", "%s  max %s", short(s.Told), ms(s.Told.Max))
	}
}

func short(l crowd.Latency) string { return fmt.Sprintf("p50 %s  p99 %s", ms(l.P50), ms(l.P99)) }

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }

func (g *goodputResult) rows(sh *figures.Sheet) {
	sh.Titlef("%s: the model takes %d calls at once, of %s each: %.0f answers a second", g.tenant(), g.Places, g.Answer, g.Capacity)
	for _, l := range g.Levels {
		l.Sum.rows(sh, fmt.Sprintf("offered %d times", l.Times))
		sh.Row("  goodput", "%.1f a second, %.0f %% of the capacity", l.Goodput, 100*l.Goodput/g.Capacity)
	}
	sh.Row("kept at the last, of the peak", "%.0f %%", 100*g.Kept)
	sh.Row("most calls at once; refused", "%d; %d", g.Most, g.Refused)
}

func (f *fairnessResult) rows(sh *figures.Sheet) {
	sh.Titlef("fairness: %d tenants of %d turns in flight each; phases of %s in turn, in every second one tenant asks for ten times that", f.Tenants, f.Quota, f.For)
	sh.Row("the others' replies, all as usual", "%s  max %s  (n %d)", short(f.Quiet), ms(f.Quiet.Max), f.Quiet.N)
	sh.Row("the others' replies, one is greedy", "%s  max %s  (n %d)", short(f.Loud), ms(f.Loud.Max), f.Loud.N)
	sh.Row("their p99 is worse by", "%.1f %%", 100*f.Worse)
	f.Greedy.rows(sh, "the greedy one")
	sh.List(f.Faults)
}

func (x *burstResult) rows(sh *figures.Sheet) {
	sh.Titlef("burst: %d people write within %s, %.0f a second; the model answers %.0f (%d at once, %s each)", x.People, x.Within, x.Demand, x.Capacity, x.Places, burstAnswer)
	x.Sum.rows(sh, "all")
	sh.Row("accepted to reply of either kind", "%s  max %s", short(x.Waited), ms(x.Waited.Max))
	sh.Row("of the model was used", "%.0f %%", 100*x.Used)
}

func (l *limitsResult) rows(sh *figures.Sheet) {
	sh.Titlef("limits: over %d replicas, which took %d messages", replicas, l.Served)
	sh.Row(fmt.Sprintf("turns_in_flight %d: most at once", l.InFlight), "%d; %d people: %s", l.Most, l.People, l.Flight.told())
	sh.Row(fmt.Sprintf("per_user_per_minute %d: answered", l.PerMinute), "%d to %d of each person's messages: %s", l.Answered[0], l.Answered[1], l.Rate.told())
}

func (a *acksResult) rows(sh *figures.Sheet) {
	sh.Titlef("acks: %d callbacks a second for %s, from due; the model answers at once", a.Rate, a.For)
	a.Sum.rows(sh, "all")
	for _, name := range slices.Sorted(maps.Keys(a.CPU)) {
		sh.Row("  cores used by "+name, "%.2f", a.CPU[name])
	}
}
