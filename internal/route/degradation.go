package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// Degradation is one revision of parley-degradation: the operator's switches in their order. It is immutable; nil has no switch.
type Degradation struct {
	Revision string
	Switches []Switch
}

// Switch is an operator's decision to answer with something else.
type Switch struct {
	ID        string
	Active    bool
	To        string    // provider or provider/model; without a model: the route's model of that provider
	Tenants   []string  // empty: every tenant
	Providers []string  // empty: whatever the route names first; else only turns that would use one of these
	Reason    string    // for operators
	By        string    // who decided
	Until     time.Time // zero: until restored
	// Ramp is how long before Until turns begin to return to their routes, conversation by conversation; 0: all at Until.
	Ramp time.Duration
}

// ParseDegradation reads and judges parley-degradation. source and revision as in [Options]. A document without the list `switches` is
// faulty, so that an emptied one ends no switch: none at all is written as `switches: []`. The error is a *chat.Error of kind Invalid that
// wraps *[Faults]. Whether a switch leads anywhere is [Degradation.Check]'s question.
func ParseDegradation(data []byte, source, revision string) (*Degradation, error) {
	p := &decoder{Faults{Source: source}}
	if source == "" {
		p.Source = "parley-degradation"
	}
	if revision == "" {
		revision = digest(data)
	}
	d := &Degradation{Revision: revision}
	root := p.document(data)
	ids := map[string]bool{}
	listed := false
	p.fields(root, "", map[string]func(*yaml.Node, string){
		"switches": func(n *yaml.Node, where string) {
			listed = !absent(n)
			p.items(n, where, false, func(n *yaml.Node, where string) {
				s := p.readSwitch(n, where)
				if ids[s.ID] && s.ID != "" {
					p.faultf(n, where+".id", "%q stands twice; ids name one switch each", s.ID)
				}
				ids[s.ID] = true
				d.Switches = append(d.Switches, s)
			})
		},
	})
	if !listed && len(p.List) == 0 {
		p.faultf(root, "switches", "is missing or empty; write switches: [] if there is to be no switch")
	}
	if err := p.err("route.degradation"); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *decoder) readSwitch(n *yaml.Node, where string) Switch {
	var s Switch
	var to, ramp *yaml.Node
	endless := true
	list := func(into *[]string) func(*yaml.Node, string) {
		return func(n *yaml.Node, where string) {
			d.items(n, where, false, func(n *yaml.Node, where string) { *into = append(*into, d.named(n, where, providerName)) })
		}
	}
	d.fields(n, where, map[string]func(*yaml.Node, string){
		"id":        func(n *yaml.Node, where string) { s.ID = d.text(n, where) },
		"active":    func(n *yaml.Node, where string) { s.Active = d.boolean(n, where) },
		"to":        func(n *yaml.Node, where string) { s.To, to = d.to(n, where), n },
		"tenants":   list(&s.Tenants),
		"providers": list(&s.Providers),
		"reason":    func(n *yaml.Node, where string) { s.Reason = d.text(n, where) },
		"by":        func(n *yaml.Node, where string) { s.By = d.text(n, where) },
		"until":     func(n *yaml.Node, where string) { s.Until, endless = d.moment(n, where), absent(n) || n.Value == "" },
		"ramp":      func(n *yaml.Node, where string) { s.Ramp, ramp = d.ramp(n, where), n },
	})
	if !className.MatchString(s.ID) {
		d.faultf(n, where+".id", "is missing or no valid name; it must match %s", className)
	}
	if s.Active && (absent(to) || to.Kind == yaml.ScalarNode && to.Value == "") {
		d.faultf(n, where+".to", "is missing in an active switch; write provider or provider/model, like chatglm/glm-4.6")
	}
	if s.Ramp > 0 && endless {
		d.faultf(ramp, where+".ramp", "needs an until: turns return by share in the last %v before it; write until: too, or leave ramp empty", s.Ramp)
	}
	return s
}

func (d *decoder) to(n *yaml.Node, where string) string {
	s := d.text(n, where)
	if _, ok := splitTarget(s); s != "" && !ok && !providerName.MatchString(s) {
		d.faultf(n, where, "must be provider or provider/model, like chatglm/glm-4.6")
		return ""
	}
	return s
}

func (d *decoder) moment(n *yaml.Node, where string) time.Time {
	s := d.text(n, where)
	if s == "" {
		return time.Time{}
	}
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.faultf(n, where, "must be a time in RFC 3339, like 2026-01-31T18:00:00+08:00, or empty")
	}
	return v
}

// Check refuses switches in force at now that lead nowhere in t: to a provider that is not configured, or without a model to a provider that no
// route names. The error is a *chat.Error of kind Invalid.
func (d *Degradation) Check(t *Table, now time.Time) error {
	if d == nil {
		return nil
	}
	var bad []string
	for _, s := range d.Switches {
		if !s.InForce(now) {
			continue
		}
		name, _, _ := strings.Cut(s.To, "/")
		ok := t.names(s.To, s.Tenants)
		switch {
		case t.providers[name] == nil:
			bad = append(bad, fmt.Sprintf("switch %q leads to %q, which is not a provider of parley-routes; there are %s", s.ID, name, names(t.providers)))
		case !ok:
			bad = append(bad, fmt.Sprintf("switch %q leads to %q without a model, and no route names a model of it; write %s/MODEL", s.ID, name, name))
		}
	}
	if bad == nil {
		return nil
	}
	return chat.E(chat.Invalid, "route.check", fmt.Errorf("%s", strings.Join(bad, "; ")))
}

// apply puts the first fitting switch's target before the route without what was degraded. A nil switch: nothing changed.
func (d *Degradation) apply(t *Table, w Want, route []target) ([]target, *Switch) {
	s := d.decides(w, route)
	if s == nil {
		return route, nil
	}
	to, ok := t.resolve(s.To, w.Tenant, w.Class)
	if ok && to == route[0] {
		return route, nil // the turn goes there anyway
	}
	degraded := s.Providers
	if len(degraded) == 0 {
		degraded = []string{route[0].provider}
	}
	rest := slices.DeleteFunc(slices.Clone(route), func(x target) bool { return contains(degraded, x.provider) })
	if ok {
		rest = append([]target{to}, rest...)
	}
	return rest, s
}

// decides is the first switch that fits a turn with a route; nil: none.
func (d *Degradation) decides(w Want, route []target) *Switch {
	if d == nil || len(route) == 0 {
		return nil
	}
	for i := range d.Switches {
		s := &d.Switches[i]
		if s.takes(w) && (len(s.Tenants) == 0 || contains(s.Tenants, w.Tenant)) &&
			(len(s.Providers) == 0 || contains(s.Providers, route[0].provider)) {
			return s
		}
	}
	return nil
}

// names reports whether a switch's target can be completed for any of the tenants (none: for any turn at all).
func (t *Table) names(to string, tenants []string) bool {
	if len(tenants) == 0 {
		for tenant := range t.tenants {
			tenants = append(tenants, tenant)
		}
		tenants = append(tenants, "")
	}
	for _, tenant := range tenants {
		for _, class := range t.Models(tenant) {
			if _, ok := t.resolve(to, tenant, class); ok {
				return true
			}
		}
	}
	return false
}

// resolve completes a switch's target. A missing model is the one of the turn's route, else of any route, in the order of names.
func (t *Table) resolve(to, tenant, class string) (target, bool) {
	if x, ok := splitTarget(to); ok {
		return x, t.providers[x.provider] != nil
	}
	routes := [][]target{t.route(tenant, class)}
	for _, class := range t.Models(tenant) {
		routes = append(routes, t.models[class])
	}
	for _, route := range routes {
		for _, x := range route {
			if x.provider == to {
				return x, true
			}
		}
	}
	return target{}, false
}
