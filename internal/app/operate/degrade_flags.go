package operate

import (
	"fmt"
	"strings"

	"parley/internal/chat"
	"parley/internal/route"
)

// Check says what is wrong with the flags that can be judged before anything is asked: the names of tenants and of the switch.
func (o DegradeOptions) Check() error {
	for _, t := range o.Tenants {
		if !chat.ValidName(t) {
			return fmt.Errorf("--tenant %q is no tenant's name; repeat --tenant for each one", t)
		}
	}
	switch {
	case o.ID != "" && !route.ValidSwitchID(o.ID):
		return fmt.Errorf("--id %q is no name of a switch: letters, digits, and after the first of them also . _ -, 64 at most", o.ID)
	case o.ID == "" && len(o.id()) > 64:
		return fmt.Errorf("--id is missing: the scope is too long to make one of it")
	}
	return nil
}

// against says what is wrong with --to and --provider, and which providers there are.
func (o DegradeOptions) against(t *route.Table) error {
	are := "; providers of parley-routes are " + strings.Join(providerNames(t), ", ")
	if !route.ValidTarget(o.To) {
		return fmt.Errorf("--to %q must be PROVIDER or PROVIDER/MODEL%s", o.To, are)
	}
	for _, p := range o.Providers {
		if !route.ValidTarget(p) || strings.Contains(p, "/") {
			return fmt.Errorf("--provider %q is no provider's name; repeat --provider for each one%s", p, are)
		}
	}
	return nil
}

func providerNames(t *route.Table) []string {
	var names []string
	for _, p := range t.Providers() {
		names = append(names, p.Name)
	}
	return names
}

// judgeNames looks for slips of the pen: a provider that does not exist, a model that nobody names.
func (p *plan) judgeNames() {
	for _, name := range p.unknownProviders() {
		p.object("write one of "+strings.Join(providerNames(p.table), ", "), "--provider %s is no provider of parley-routes: no turn would use it", name)
	}
	if provider, model, ok := strings.Cut(p.options.To, "/"); ok && !p.table.Names(provider, model) {
		mend := "enter it under windows in parley-routes with its size if it is right"
		if served := p.table.Served(provider); len(served) > 0 {
			mend = "write one of " + strings.Join(served, ", ") + "; or, if it is right, " + mend
		}
		p.object(mend, "no route of parley-routes names the model %s of %s: a model that does not exist fails every turn", model, provider)
	}
}

func (p *plan) unknownProviders() []string {
	var unknown []string
	for _, name := range p.options.Providers {
		if p.table.Provider(name) == nil {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
