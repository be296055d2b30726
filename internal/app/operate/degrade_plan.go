package operate

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/route"
)

// facts are what a switch is judged by.
type facts struct {
	table   *route.Table
	tenants []scoped // in the scope; none: there are no tenants yet
	servers []serverReport
	unasked error // why servers is empty, if they cannot be asked at all
}

// plan is what a switch would do: which turns go where, how much that is now, and what speaks against it.
type plan struct {
	facts
	options DegradeOptions
	target  string             // the provider of options.To
	was, is *route.Degradation // the switches now and then
	now     time.Time

	moves      []move
	idle       []string // classes of turns that stay where they are
	notes      []string
	objections []Objection
}

// move is what happens to one class of turns.
type move struct {
	class, from, to string // from and to as provider/model; to is empty if nothing is left
	tenants         []string
}

func (o Objection) String() string { return o.What + "\n    " + o.Mend }

func (p *plan) object(mend, format string, args ...any) {
	p.objections = append(p.objections, Objection{What: fmt.Sprintf(format, args...), Mend: mend})
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// newPlan compares where turns go with the switches as they are and as they would be, and judges it.
func newPlan(o DegradeOptions, f facts, was, is *route.Degradation, now time.Time) *plan {
	p := &plan{facts: f, options: o, was: was, is: is, now: now}
	p.facts.tenants = nil
	p.target, _, _ = strings.Cut(o.To, "/")
	for _, t := range f.tenants {
		if t.missing {
			p.object("mend the name after --tenant, or publish the document "+wire.TenantPrefix+t.name+" first", "there is no tenant %q", t.name)
			continue
		}
		p.tenants = append(p.tenants, t)
	}
	if p.astray() {
		return p // where turns would go then says nothing
	}
	p.compare()
	p.judgeNames()
	p.judge()
	return p
}

// astray objects to switches that lead nowhere, this one or another of the document: servers refuse it as a whole.
func (p *plan) astray() bool {
	bad := false
	for _, s := range p.is.Switches {
		one := &route.Degradation{Switches: []route.Switch{s}}
		err := one.Check(p.table, p.now)
		if err == nil {
			continue
		}
		bad = true
		mend := "choose another target with --to"
		if s.ID != p.options.id() {
			mend = fmt.Sprintf("`parley restore %s` switches that one off; or mend its target in %s", s.ID, wire.DegradationDocument)
		}
		p.objections = append(p.objections, Objection{What: wire.Reason(err), Mend: "every server would refuse the document: " + mend, Fatal: true})
	}
	return bad
}

// compare finds the turns that move, gathered by class, origin and goal.
func (p *plan) compare() {
	all := p.tenants
	if len(all) == 0 && len(p.options.Tenants) == 0 {
		all = []scoped{{}}
	}
	byMove := map[string][]string{}
	effect, reached, why := false, false, map[string]bool{}
	idle := map[string]bool{}
	for _, t := range all {
		for _, class := range p.table.Models(t.name) {
			w := route.Want{Tenant: t.name, Class: class, Allowed: t.providers, Now: p.now}
			usable := func(provider string) bool { return p.usable(t, provider) }
			then := p.table.Preview(w, p.is, usable)
			if text := futile(then, p.options.id()); text == "" {
				effect = true
			} else {
				why[text] = true
			}
			from, to := first(p.table.Preview(w, p.was, usable).After), first(then.After)
			reached = reached || providerOf(to) == p.target
			if from == to {
				idle[class] = true
				continue
			}
			key := class + "\x00" + from + "\x00" + to
			byMove[key] = append(byMove[key], t.name)
		}
	}
	for key, tenants := range byMove {
		part := strings.Split(key, "\x00")
		p.moves = append(p.moves, move{part[0], part[1], part[2], tenants})
		delete(idle, part[0])
	}
	slices.SortFunc(p.moves, func(a, b move) int {
		return cmp.Or(strings.Compare(a.class, b.class), strings.Compare(a.from, b.from), strings.Compare(a.to, b.to))
	})
	p.idle = slices.Sorted(maps.Keys(idle))
	switch {
	case effect && len(p.moves) == 0 && !reached:
		p.note("no turn moves: none can be answered by %s as things are, so they stay where they are", p.target)
	case effect && len(p.moves) == 0:
		p.note("no turn moves: they go to %s already", p.target)
	case !effect && len(why) > 0 && len(p.unknownProviders()) == 0:
		p.object("choose another target or scope, or see `parley status` for the switches that there are",
			"no effect on any turn: %s", strings.Join(slices.Sorted(maps.Keys(why)), "; "))
	}
}

// futile says why a switch does nothing to a turn; empty: it does.
func futile(then route.Preview, id string) string {
	switch {
	case then.Switch != nil && then.Switch.ID == id:
		return ""
	case then.First != nil && then.First.ID == id:
		return "turns go to " + then.First.To + " anyway"
	case then.First != nil:
		return fmt.Sprintf("an earlier switch %q decides", then.First.ID)
	case len(then.Before) == 0:
		return "no provider is left for turns anyway"
	default:
		return "turns would not use what the switch replaces; they go to " + then.Before[0]
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func providerOf(target string) string {
	name, _, _ := strings.Cut(target, "/")
	return name
}

// usable reports whether a tenant's turns can be sent to a provider at all: with a key of its own, or with the platform's on any server.
func (p *plan) usable(t scoped, provider string) bool {
	told := false
	for _, s := range p.servers {
		st, known := s.provider(provider)
		told = told || known
		if st != nil && (t.brings(provider) || st.Keys > 0 || !st.NeedsKey) {
			return true
		}
	}
	return !told
}

// print shows the plan, its objections apart.
func (p *plan) print(w io.Writer) {
	until := "until restored"
	if s := find(p.is, p.options.id()); s != nil && !s.Until.IsZero() {
		until = "until " + s.Until.Format(time.RFC3339)
		if s.Ramp > 0 {
			until += fmt.Sprintf(", returning by share in the last %s before it", briefly(s.Ramp))
		}
	}
	fmt.Fprintf(w, "switch %q: turns of %s go to %s %s\n\n", p.options.id(), p.scope(), p.options.To, until)
	if len(p.moves) > 0 {
		t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
		fmt.Fprintln(t, "MODEL\tNOW\tTHEN\tTENANTS")
		for _, m := range p.moves {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.class, cmp.Or(m.from, "(nothing)"), cmp.Or(m.to, "(nothing: they fail)"), tenantsLine(m.tenants))
		}
		_ = t.Flush()
	}
	if len(p.idle) > 0 && len(p.moves) > 0 {
		fmt.Fprintf(w, "unchanged: %s\n", strings.Join(p.idle, ", "))
	}
	for _, n := range p.notes {
		fmt.Fprintf(w, "%s\n", n)
	}
	fmt.Fprintln(w)
}

func tenantsLine(names []string) string {
	if len(names) == 1 && names[0] == "" {
		return "every tenant"
	}
	return fmt.Sprintf("%d: %s", len(names), joinSome(names))
}

func (p *plan) scope() string {
	s := fmt.Sprintf("every tenant (%d)", len(p.tenants))
	if len(p.options.Tenants) > 0 {
		s = joinSome(p.options.Tenants)
	}
	if len(p.options.Providers) > 0 {
		s += " that would use " + strings.Join(p.options.Providers, " or ")
	}
	return s
}

func find(d *route.Degradation, id string) *route.Switch {
	for i := range d.Switches {
		if d.Switches[i].ID == id {
			return &d.Switches[i]
		}
	}
	return nil
}
