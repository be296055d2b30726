package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/route"
)

// Misfits are the faults of a tenant's document that only parley-routes shows: each of them fails the tenant's turns, or leaves a word in the
// document without meaning. Their file and line are for the caller to add. keyed: the table holds keys, so a route without any is a fault too.
func Misfits(t *route.Table, who *chat.Tenant, keyed bool) config.Faults {
	var names []string
	for _, p := range t.Providers() {
		names = append(names, p.Name)
	}
	var faults config.Faults
	stranger := func(path, name string) {
		if !slices.Contains(names, name) {
			faults = append(faults, config.Fault{Path: path, What: fmt.Sprintf("%q is no provider of parley-routes", name),
				Mend: "there are " + strings.Join(names, ", ")})
		}
	}
	for i, name := range who.Providers {
		stranger(fmt.Sprintf("providers[%d]", i), name)
	}
	for _, name := range slices.Sorted(maps.Keys(who.Keys)) {
		stranger("keys."+name, name)
	}
	if models := t.Models(who.Name); !slices.Contains(models, who.Model) {
		return append(faults, config.Fault{Path: "model", What: fmt.Sprintf("no model %q stands in parley-routes, so every turn fails", who.Model),
			Mend: "write one of " + strings.Join(models, ", ") + ", or add it there under models"})
	}
	w := route.Want{Tenant: who.Name, Class: who.Model, Allowed: who.Providers, Own: who.Keys, Now: time.Now()}
	_, err := t.Pick(w, nil)
	if err == nil || len(faults) > 0 { // a name that is mended may mend the route
		return faults
	}
	way := strings.Join(t.Preview(route.Want{Tenant: who.Name, Class: who.Model, Now: w.Now}, nil, nil).Before, ", ")
	switch kind := chat.KindOf(err); {
	case kind == chat.Forbidden:
		faults = append(faults, config.Fault{Path: "providers",
			What: fmt.Sprintf("allows none of the providers that %q leads to (%s), so every turn fails", who.Model, way), Mend: "allow one of them, or choose another model"})
	case kind == chat.Unauthenticated && keyed:
		faults = append(faults, config.Fault{Path: "model",
			What: fmt.Sprintf("no provider that %q leads to (%s) has a key for this tenant, so every turn fails", who.Model, way),
			Mend: "set what their key names in parley-routes, or give the tenant keys of its own"})
	}
	return faults
}
