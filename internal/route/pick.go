package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

// Want is what one turn asks of the table.
type Want struct {
	Tenant string
	Class  string
	// Conversation is opaque; while a switch ramps it decides whether the turn has returned. Turns without one return together.
	Conversation string
	// Allowed providers may see the tenant's data; nil: every provider that its route names.
	Allowed []string
	// Own are the tenant's own keys by provider. An entry, even an empty one, keeps the platform's key of that provider from being used.
	Own map[string][]chat.Secret
	Now time.Time // for switches with an end
}

// Choice is one way to answer a turn.
type Choice struct {
	Provider *Provider
	Model    string
	Window   int           // tokens
	Sees     bool          // it looks at pictures
	Keys     []chat.Secret // any of them may be used; none: the call carries no key
	Own      bool          // the keys are the tenant's
	Switch   *Switch       // the operator's switch that changed this turn's route; nil: none
}

// Pick lists the choices of a turn: the first is used, the rest are its fallbacks, in order. d may be nil. Errors: NotFound (no such class),
// Forbidden (the tenant allows none of the providers), Unauthenticated (nobody has a key), Unavailable (a switch left nothing).
func (t *Table) Pick(w Want, d *Degradation) ([]Choice, error) {
	const op = "route.pick"
	route := t.route(w.Tenant, w.Class)
	if route == nil {
		return nil, chat.E(chat.NotFound, op, fmt.Errorf("no model %q under models in parley-routes; there are %s",
			w.Class, strings.Join(t.Models(w.Tenant), ", ")))
	}
	may := func(x target) bool {
		return t.providers[x.provider] != nil && (w.Allowed == nil || contains(w.Allowed, x.provider))
	}
	can := func(x target) bool { return may(x) && t.keyed(w, x) }
	route, sw := d.apply(t, w, filter(route, may, can))
	choices := t.choices(w, filter(route, may, can), sw)
	if len(choices) > 0 && t.keyed(w, target{provider: choices[0].Provider.Name}) {
		return choices, nil
	}
	switch {
	case len(choices) > 0:
		return nil, chat.E(chat.Unauthenticated, op, fmt.Errorf("no key for any provider that %q names: set the environment variables under key", w.Class))
	case sw != nil:
		return nil, chat.E(chat.Unavailable, op, fmt.Errorf("the switch %q leaves no provider that the tenant allows", sw.ID))
	default:
		return nil, chat.E(chat.Forbidden, op, fmt.Errorf("the tenant allows none of the providers that %q names", w.Class))
	}
}

// filter keeps the targets that can be called; if there are none, those that may be, so that the error can say what is missing.
func filter(route []target, may, can func(target) bool) []target {
	route = slices.DeleteFunc(slices.Clone(route), func(x target) bool { return !may(x) })
	if slices.ContainsFunc(route, can) {
		return slices.DeleteFunc(route, func(x target) bool { return !can(x) })
	}
	return route
}

// keys are the keys that the turn may use at a provider; own: they are the tenant's, whatever the platform has.
func (t *Table) keys(w Want, provider string) (keys []chat.Secret, own bool) {
	if keys, own = w.Own[provider]; own {
		return keys, true
	}
	return t.providers[provider].Keys, false
}

func (t *Table) keyed(w Want, x target) bool {
	keys, own := t.keys(w, x.provider)
	return len(keys) > 0 || !own && !t.providers[x.provider].NeedsKey
}

// choices joins targets with all that a call needs; a target that stands twice counts once.
func (t *Table) choices(w Want, targets []target, sw *Switch) []Choice {
	var list []Choice
	seen := map[target]bool{}
	for _, x := range targets {
		if seen[x] {
			continue
		}
		seen[x] = true
		keys, own := t.keys(w, x.provider)
		list = append(list, Choice{Provider: t.providers[x.provider], Model: x.model, Window: t.Window(x.model), Sees: t.Sees(t.providers[x.provider], x.model), Keys: keys, Own: own, Switch: sw})
	}
	return list
}
