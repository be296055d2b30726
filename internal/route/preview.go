package route

import "slices"

// Preview is what switches do to a class of turns, for operators: they see the documents, but not the keys that servers hold.
type Preview struct {
	Before []string // provider/model, the first choice and its fallbacks, without any switch
	After  []string // with the switches; empty: nothing is left, such turns fail
	Switch *Switch  // the switch that changes the route; nil: none fits, or turns go where it leads anyway
	First  *Switch  // the first that fits, which decides though turns may go there anyway; nil: none
}

// Preview tells where turns like w go without and with the switches of d, both nil for a class that does not exist. A switch that ramps counts
// wholly. usable says which providers can be called at all; nil: all. Keys in w are not looked at.
func (t *Table) Preview(w Want, d *Degradation, usable func(provider string) bool) Preview {
	may := func(x target) bool {
		return t.providers[x.provider] != nil && (w.Allowed == nil || contains(w.Allowed, x.provider))
	}
	can := func(x target) bool { return may(x) && (usable == nil || usable(x.provider)) }
	var p Preview
	before := filter(t.route(w.Tenant, w.Class), may, can)
	whole := d.whole(w)
	after, sw := whole.apply(t, w, before)
	p.Before, p.After, p.Switch, p.First = texts(before, can), texts(after, can), sw, whole.decides(w, before)
	return p
}

// whole is d with its switches in force as if none of them ramped.
func (d *Degradation) whole(w Want) *Degradation {
	if d == nil {
		return nil
	}
	all := &Degradation{Revision: d.Revision, Switches: slices.Clone(d.Switches)}
	for i := range all.Switches {
		s := &all.Switches[i]
		s.Active, s.Ramp = s.InForce(w.Now), 0
	}
	return all
}

// texts are the targets that can be called.
func texts(list []target, can func(target) bool) []string {
	var out []string
	for _, x := range list {
		if can(x) && !contains(out, x.String()) {
			out = append(out, x.String())
		}
	}
	return out
}
