package route

import (
	"maps"
	"slices"
)

// ValidSwitchID reports whether s can be the id of a switch.
func ValidSwitchID(s string) bool { return className.MatchString(s) }

// ValidTarget reports whether s has the form of a switch's target: provider or provider/model.
func ValidTarget(s string) bool {
	_, ok := splitTarget(s)
	return ok || providerName.MatchString(s)
}

// Served lists the models of a provider that a route of anybody names, sorted.
func (t *Table) Served(provider string) []string {
	found := map[string]bool{}
	collect := func(models map[string][]target) {
		for _, route := range models {
			for _, x := range route {
				if x.provider == provider {
					found[x.model] = true
				}
			}
		}
	}
	collect(t.models)
	for _, own := range t.tenants {
		collect(own)
	}
	return slices.Sorted(maps.Keys(found))
}

// Names reports whether the document names a model of a provider: in a route, or as a model under `windows`. Another one may exist all the
// same, or be a slip of the pen.
func (t *Table) Names(provider, model string) bool {
	_, windowed := t.windows[model]
	return windowed || contains(t.Served(provider), model)
}
