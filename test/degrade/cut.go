package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"parley/test/crowd"
)

// publication is one change of the switch.
type publication struct {
	way   string
	to    string    // the provider that the moved tenant's turns are to go to from now on
	began time.Time // when the change was asked for: before the request to Nacos, or when a command was entered
	at    time.Time // what is measured from: began or, for a command, its audit record
	ended time.Time // of a command: it had seen every server with the new form, and ended
	until time.Time // the next publication; what comes later is not looked at
	// told is when each server says that the new form came into force; one that never said so is missing.
	told map[string]time.Time
	// served is when Nacos gave the new form to who read it; zero for a command.
	served time.Time

	complaint string // of a command that published, and did not see every server with the new form
}

// effect is how one publication came into force at one server, as the moved tenant's turns show it.
type effect struct {
	Server string
	Way    string
	Last   time.Duration // to the last turn that reached the old provider; 0: none did after the publication
	First  time.Duration // to the first that reached the new one: by then at the latest it was in force
	Told   time.Duration // to when the server says that it came into force
	Own    time.Duration // of it, after Nacos served the new form; less than 0: not known
}

// slack is how long after a server has new switches in force a turn may still reach the old provider: it was picked just before.
const slack = 250 * time.Millisecond

// effects looks at one publication. A server that got no turn of the moved tenant after the switch shows nothing, and is left out; one whose
// turns did not go over is a fault.
func effects(p publication, servers []string, shots []*shot, made map[string][]call) (list []effect, faults []string) {
	for _, name := range servers {
		told, ok := p.told[name]
		if !ok {
			faults = append(faults, fmt.Sprintf("%s: never had in force what was published by %s", name, p.way))
			continue
		}
		e, stale := effect{Server: name, Way: p.way, First: -1, Told: max(0, told.Sub(p.at)), Own: -1}, 0
		if !p.served.IsZero() {
			e.Own = max(0, told.Sub(p.served))
		}
		for _, x := range shots {
			if x.server != name || x.tenant != moved {
				continue
			}
			for _, c := range made[x.question] {
				if c.At.Before(p.at) || !c.At.Before(p.until) {
					continue
				}
				after := c.At.Sub(p.at)
				switch {
				case c.provider == p.to && (e.First < 0 || after < e.First):
					e.First = after
				case c.provider != p.to:
					e.Last = max(e.Last, after)
					if x.sent.After(told.Add(slack)) { // not when the call came there, which a busy server makes late
						stale++
					}
				}
			}
		}
		if stale > 0 {
			faults = append(faults, fmt.Sprintf("%s: %d turns did not go to %s although the switch was in force (%s)", name, stale, p.to, p.way))
		}
		if e.First >= 0 {
			list = append(list, e)
		}
	}
	return list, faults
}

// switched sums up effects: the times to the last turn on the old provider, to the first on the new one, and what servers say.
type switched struct {
	Of    string        `json:"of"` // a server, a way, or all
	Last  crowd.Latency `json:"last_on_old"`
	First crowd.Latency `json:"first_on_new"`
	Told  crowd.Latency `json:"in_force_by_servers"`
	Own   crowd.Latency `json:"served_to_in_force"` // where the way tells when Nacos served it
}

// summaries are one row for every value of key, in order, and with several one for all.
func summaries(list []effect, key func(effect) string) []switched {
	groups := map[string][]effect{}
	for _, e := range list {
		groups[key(e)] = append(groups[key(e)], e)
	}
	var rows []switched
	for name, of := range groups {
		rows = append(rows, summarize(name, of))
	}
	slices.SortFunc(rows, func(a, b switched) int { return cmp.Compare(a.Of, b.Of) })
	return rows
}

func summarize(name string, list []effect) switched {
	var last, first, told, own []time.Duration
	for _, e := range list {
		last, first, told = append(last, e.Last), append(first, e.First), append(told, e.Told)
		if e.Own >= 0 {
			own = append(own, e.Own)
		}
	}
	return switched{name, crowd.Summarize(last), crowd.Summarize(first), crowd.Summarize(told), crowd.Summarize(own)}
}

func byServer(e effect) string { return e.Server }
func byWay(e effect) string    { return e.Way }

// running counts the moved tenant's turns that were on their way when the switch was published. That they ended well, where they began, is
// every turn's own condition.
func running(p publication, shots []*shot, made map[string][]call) (n int) {
	for _, x := range shots {
		list := made[x.question]
		if x.tenant == moved && len(list) > 0 && list[0].At.Before(p.at) && x.ended.After(p.at) {
			n++
		}
	}
	return n
}

// late is how much after they were due turns left here: load of this machine that is not the servers'.
func late(shots []*shot) crowd.Latency {
	times := make([]time.Duration, len(shots))
	for i, x := range shots {
		times[i] = x.sent.Sub(x.due)
	}
	return crowd.Summarize(times)
}

// took is how long turns took from when they were due.
func took(shots []*shot) crowd.Latency {
	times := make([]time.Duration, len(shots))
	for i, x := range shots {
		times[i] = x.ended.Sub(x.due)
	}
	return crowd.Summarize(times)
}
