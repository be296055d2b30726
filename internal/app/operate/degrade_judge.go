package operate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/internal/app/wire"
	"parley/internal/chat"
)

// judge looks for reasons not to switch: in the servers, in the load, in what tenants allow.
func (p *plan) judge() {
	p.judgeServers()
	p.judgeTenants()
	p.judgeLoad()
}

// judgeServers asks whether every server that takes turns can call the target.
func (p *plan) judgeServers() {
	if p.unasked != nil {
		p.object("mend what keeps this command from the registry or the servers: the same file serves them",
			"the servers cannot be asked: %s", p.unasked.Error())
		return
	}
	if len(p.servers) == 0 {
		p.object("start a server, or mend where this file looks for them (registry)", "no server is registered: nothing answers at all")
		return
	}
	var silent, old, without, keyless, resting, open, behind []string
	for _, s := range p.servers {
		if !s.takesTurns() {
			continue
		}
		if s.Error != "" {
			silent = append(silent, s.Address+" ("+s.Error+")")
			continue
		}
		if d, ok := s.document(wire.RoutesDocument); ok && d.Revision != p.table.Revision() {
			behind = append(behind, s.Address+" ("+d.Revision+")")
		}
		st, known := s.provider(p.target)
		switch {
		case !known:
			old = append(old, s.Address)
		case st == nil:
			without = append(without, s.Address)
		case st.Open:
			open = append(open, s.Address)
		case st.NeedsKey && st.Keys == 0:
			keyless = append(keyless, s.Address)
		case st.Keys > 0 && st.Resting >= st.Keys:
			resting = append(resting, s.Address)
		}
	}
	about := func(list []string, mend, what string) {
		if len(list) > 0 {
			p.object(mend, what, p.target, strings.Join(list, ", "))
		}
	}
	if len(silent) > 0 {
		p.object("see `parley status`; such a server may switch all the same, but nobody knows",
			"these servers cannot be asked: %s", strings.Join(silent, "; "))
	}
	about(without, "publish parley-routes with it under providers, and see in `parley status` who refuses it", "%s is not configured on %s")
	about(open, "calls to it fail there now: choose another target, or wait until it answers", "the breaker of %s is open on %s")
	if who := p.needPlatformKey(); len(who) > 0 {
		about(keyless, "its log says what the key in parley-routes lacks there: put that right (a variable needs a restart), or choose another target", "%s has no key on %s")
		about(resting, "its keys were refused or are at their limit: see the servers' log, add a key, or wait", "all keys of %s rest on %s")
	}
	if len(old) > 0 {
		p.note("unknown: keys and capacity on %s, of an older release that does not tell", strings.Join(old, ", "))
	}
	if len(behind) > 0 {
		p.note("another form of parley-routes than the published one (%s) is in force on %s: what happens there may differ", p.table.Revision(), strings.Join(behind, ", "))
	}
}

// needPlatformKey names the tenants in the scope that bring no key for the target; "" stands for tenants to come.
func (p *plan) needPlatformKey() []string {
	if len(p.tenants) == 0 {
		return []string{""}
	}
	var names []string
	for _, t := range p.tenants {
		if t.allows(p.target) && !t.brings(p.target) {
			names = append(names, t.name)
		}
	}
	return names
}

// judgeTenants names those whose data may not go to the target, those who would be answered by nobody, and those who would begin to spend the
// platform's money.
func (p *plan) judgeTenants() {
	left := map[string][]string{} // of each tenant: the providers that its turns leave for the target
	nobody := map[string]bool{}
	for _, m := range p.moves {
		for _, t := range m.tenants {
			if m.to == "" {
				nobody[t] = true
			} else if p.toTarget(m) {
				left[t] = append(left[t], providerOf(m.from))
			}
		}
	}
	var forbid, spend []string
	for _, t := range p.tenants {
		if !t.allows(p.target) {
			forbid = append(forbid, t.name)
		}
		if !t.brings(p.target) && p.costs() && slices.ContainsFunc(left[t.name], t.brings) {
			spend = append(spend, t.name)
		}
	}
	if len(forbid) > 0 {
		p.object("their turns stay on what is left of their routes: name other tenants with --tenant, or ask them",
			"these tenants do not let their data go to %s: %s", p.target, strings.Join(forbid, ", "))
	}
	if len(nobody) > 0 {
		p.object("name other tenants with --tenant; or give their routes another provider that they allow, or a model: --to "+p.target+"/MODEL",
			"nobody would answer turns of %s: the switch leaves no provider", strings.Join(slices.Sorted(maps.Keys(nobody)), ", "))
	}
	if len(spend) > 0 {
		p.object("give them a key of their own under keys, or name other tenants with --tenant",
			"these tenants pay for what they use now by keys of their own, but have none for %s and would spend the platform's: %s",
			p.target, strings.Join(spend, ", "))
	}
}

// toTarget reports whether a move brings turns to the target that were elsewhere.
func (p *plan) toTarget(m move) bool {
	return m.from != "" && providerOf(m.to) == p.target && providerOf(m.from) != p.target
}

// costs reports whether calls to the target need a key; if nobody tells, they do.
func (p *plan) costs() bool {
	for _, s := range p.servers {
		if st, _ := s.provider(p.target); st != nil {
			return st.NeedsKey
		}
	}
	return true
}

// load is what the servers tell of the target and of the providers that turns would leave.
type load struct {
	told     bool
	moving   int // calls in flight at the providers that turns leave
	keys     int // of the target, usable, as one server counts them: all have the same
	each     int // calls at once per key, in the whole fleet; 0: no limit
	inFlight int // at the target
}

func (p *plan) load(from []string) load {
	var l load
	for _, s := range p.servers {
		for _, st := range s.Providers {
			if slices.Contains(from, st.Name) {
				l.moving += st.InFlight
			}
			if st.Name == p.target {
				l.add(st)
			}
		}
	}
	return l
}

func (l *load) add(st chat.ProviderState) {
	l.told = true
	l.inFlight += st.InFlight
	keys := st.Keys - st.Resting
	if !st.NeedsKey {
		keys = max(keys, 1) // calls without a key count together
	}
	l.keys, l.each = max(l.keys, keys), max(l.each, st.Concurrency)
}

// judgeLoad asks whether the target can carry what is in flight now.
func (p *plan) judgeLoad() {
	from := map[string]bool{}
	for _, m := range p.moves {
		if p.toTarget(m) {
			from[providerOf(m.from)] = true
		}
	}
	if len(from) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(from))
	l := p.load(names)
	if !l.told {
		p.note("load: unknown, no server tells how many calls %s carries", p.target)
		return
	}
	moving := fmt.Sprintf("%d calls are in flight at %s", l.moving, strings.Join(names, ", "))
	if len(p.options.Tenants) > 0 || len(p.idle) > 0 {
		moving += ", other turns' included: at most so many move"
	}
	if l.each == 0 {
		p.note("load: %s; %s has no concurrency in parley-routes, so what it can carry is not known", moving, p.target)
		return
	}
	free := max(0, l.keys*l.each-l.inFlight)
	text := fmt.Sprintf("%s; %s carries %d (%d keys, %d calls each), of which %d are in flight: room for %d",
		moving, p.target, l.keys*l.each, l.keys, l.each, l.inFlight, free)
	p.note("load: %s", text)
	if l.moving > free && len(p.needPlatformKey()) > 0 {
		p.object("add keys or raise concurrency in parley-routes, name fewer tenants with --tenant, or choose another target; forced, people wait and are told",
			"%s cannot carry the load: %s", p.target, text)
	}
}
