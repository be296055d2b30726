package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/test/crowd"
	"parley/test/figures"
)

// table is the report for a person.
func (r *report) table() string {
	sh := new(figures.Sheet)
	r.Machine.Head(sh, "degrade")
	sh.Row("seed", "%d", r.Seed)
	if r.Switches != nil {
		r.Switches.rows(sh)
	}
	if r.Young != nil {
		r.Young.rows(sh)
	}
	if r.Storm != nil {
		r.Storm.rows(sh)
	}
	if r.Keys != nil {
		r.Keys.rows(sh)
	}
	if r.Outage != nil {
		r.Outage.rows(sh)
	}
	return sh.String()
}

func short(l crowd.Latency) string {
	if l.N == 0 {
		return "none"
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond)) }
	return fmt.Sprintf("p50 %4s  p99 %4s  max %4s ms", ms(l.P50), ms(l.P99), ms(l.Max))
}

func (s switched) row(sh *figures.Sheet) {
	sh.Row(s.Of, "%s | %s | %s  (n %d)", short(s.Last), short(s.First), short(s.Told), s.Last.N)
}

const columns = "publish to the last turn on the old provider | to the first on the new one | to in force, as the server says"

func (s *switchesResult) rows(sh *figures.Sheet) {
	sh.Titlef("switches: %d publications under %d turns a second (open loop, 3 servers); the switch moves one tenant in ten; an answer lasts %s",
		s.Number, s.Rate, s.Model.First+time.Duration(s.Model.Chunks-1)*s.Model.Between)
	sh.Row("turns, failed", "%d, %d", s.Turns, s.Failed)
	sh.Row("of the switched tenant, on the target", "%d, %d", s.Moved, s.OnSecond)
	sh.Row("running at a switch, ended where they were", "%d", s.Running)
	sh.Row("the load left late by", "%s", short(s.Late))
	sh.Row("", "%s", columns)
	s.First.row(sh)
	for _, list := range [][]switched{s.PerServer, s.PerWay} {
		for _, x := range list {
			x.row(sh)
		}
	}
	s.All.row(sh)
	sh.Row("of it: published to served by Nacos", "%s  (by the APIs, n %d)", short(s.Served), s.Served.N)
	sh.Row("of it: served by Nacos to in force", "%s", short(s.All.Own))
	sh.Row("the slowest", "%s", s.Slowest)
	sh.Row("a command, from Enter to Nacos has it", "%s", short(s.Entered))
	sh.Row("a command, to \"in force on 3 of 3\", whole", "%s  (n %d)", short(s.Command), s.Command.N)
	sh.List(s.Faults)
}

func (y *youngResult) rows(sh *figures.Sheet) {
	sh.Titlef("young: published when servers were ready for %s (%d turns a second each)", age, y.Rate)
	sh.Row("turns, failed", "%d, %d", y.Turns, y.Failed)
	sh.Row("", "%s", columns)
	y.New.row(sh)
	y.Known.row(sh)
	sh.List(y.Faults)
}

func (s *stormResult) rows(sh *figures.Sheet) {
	sh.Titlef("storm: %s answers errors only for %s under %d turns a second on 3 servers, with a healthy fallback", first, s.For, s.Rate)
	sh.Row("turns, not answered", "%d, %d", s.Turns, s.Failed)
	sh.Row("calls to both providers a turn", "%.3f (%d), at most %d of one turn", s.Ratio, s.Calls, s.Most)
	sh.Row("all breakers open after", "%s", since(s.Opened))
	sh.Row("calls a turn from then on", "%.3f (%d of %d turns)", s.ThenRatio, s.ThenCalls, s.Then)
	sh.Row("answered after", "%s", short(s.Took))
	sh.Row("well again: first turn, all turns back", "%s, %s", since(s.Returned), since(s.Settled))
	sh.List(s.Faults)
}

func since(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func (k *keysResult) rows(sh *figures.Sheet) {
	sh.Titlef("keys: %d people ask at once; the key allows %d calls at once", k.People, k.Limit)
	for _, f := range k.Fleets {
		name := fmt.Sprintf("with %d servers", f.Servers)
		for _, key := range slices.Sorted(maps.Keys(f.Most)) {
			sh.Row(name, "most at once with key %s: %d; %d waits, %d not answered; %.1f s in all, %.1f s at best",
				key, f.Most[key], f.Waits, f.Failed, f.Took.Seconds(), f.Ideal.Seconds())
		}
		sh.List(f.Faults)
	}
}

func (o *outageResult) rows(sh *figures.Sheet) {
	sh.Titlef("outage: the switch is on")
	sh.Row("servers killed and started again", "%d; first turns went to %s; ready after %s", o.Restarts, strings.Join(o.First, ", "), short(o.Ready))
	sh.Row("a faulty document was refused by", "%d of 3 servers", o.Refused)
	sh.Row("Nacos was "+o.How+" for", "%s", o.Without)
	sh.Row("turns, failed or not degraded", "%d, %d", o.Turns, o.Failed)
	sh.List(o.Faults)
}
