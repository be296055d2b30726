package operate

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/liveconfig"
	"parley/internal/route"
)

// switchesReport is parley-degradation as it is published, and the switches of it that are in force now.
type switchesReport struct {
	Revision string         `json:"revision,omitempty"` // empty: the document does not exist
	Faults   string         `json:"faults,omitempty"`   // why nobody takes it over
	Unjudged string         `json:"unjudged,omitempty"` // why the routes could not be read: effects are not known then
	Unknown  []string       `json:"unknown,omitempty"`  // tenants and providers that switches name and nobody knows, in words
	Over     []string       `json:"over,omitempty"`     // active ones whose until has passed, in words
	Switches []switchReport `json:"in_force"`
}

type switchReport struct {
	ID        string     `json:"id"`
	To        string     `json:"to"`
	Tenants   []string   `json:"tenants"`   // empty: every tenant
	Providers []string   `json:"providers"` // empty: whatever the route names first
	Until     *time.Time `json:"until,omitempty"`
	Ramp      string     `json:"ramp,omitempty"`
	Share     float64    `json:"share"` // of the conversations in its scope that it takes now
	Effect    []string   `json:"effect"`
	Futile    []string   `json:"no_effect,omitempty"` // why it changes no turn at all
	By        string     `json:"by"`
	Reason    string     `json:"reason"`
}

// reportSwitches judges a published form by the routes; without a table as far as that can be done.
func reportSwitches(content []byte, table *route.Table, now time.Time) *switchesReport {
	r := &switchesReport{Revision: liveconfig.Revision(content), Switches: []switchReport{}}
	d, err := route.ParseDegradation(content, wire.DegradationDocument, r.Revision)
	if err == nil && table != nil {
		err = d.Check(table, now)
	}
	if err != nil {
		r.Faults = wire.Reason(err)
		return r
	}
	for i := range d.Switches {
		s := &d.Switches[i]
		if s.Active && !s.InForce(now) {
			r.Over = append(r.Over, fmt.Sprintf("switch %q is over by its until (%s): set a new one, or remove it", s.ID, s.Until.Format(time.RFC3339)))
		}
		if !s.InForce(now) {
			continue
		}
		one := reportSwitch(s, now)
		if table != nil {
			one.Effect, one.Futile = effect(table, d, s, now)
			r.Unknown = append(r.Unknown, unknownProviders(table, s)...)
		}
		r.Switches = append(r.Switches, one)
	}
	return r
}

// reportSwitch says what a switch is, not yet what it does.
func reportSwitch(s *route.Switch, now time.Time) switchReport {
	one := switchReport{ID: s.ID, To: s.To, Tenants: append([]string{}, s.Tenants...), Providers: append([]string{}, s.Providers...), Share: s.Share(now),
		Effect: []string{}, By: s.By, Reason: s.Reason}
	if !s.Until.IsZero() {
		one.Until = &s.Until
	}
	if s.Ramp > 0 {
		one.Ramp = briefly(s.Ramp)
	}
	return one
}

func unknownProviders(table *route.Table, s *route.Switch) []string {
	var all []string
	for _, name := range s.Providers {
		if table.Provider(name) == nil {
			all = append(all, fmt.Sprintf("switch %q names the provider %s, which parley-routes does not have; there are %s",
				s.ID, name, strings.Join(providerNames(table), ", ")))
		}
	}
	return all
}

// effect says what a switch moves, by the routes alone: "chat: openai/gpt-4o → chatglm/glm-4.6"; or, if it moves nothing, why.
func effect(table *route.Table, d *route.Degradation, s *route.Switch, now time.Time) (moves, why []string) {
	tenants := s.Tenants
	if len(tenants) == 0 {
		tenants = append([]string{""}, table.Tenants()...)
	}
	moves = []string{}
	add := func(to *[]string, text string) {
		if !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	for _, t := range tenants {
		for _, class := range table.Models(t) {
			p := table.Preview(route.Want{Tenant: t, Class: class, Now: now}, d, nil)
			if text := futile(p, s.ID); text != "" {
				add(&why, text)
				continue
			}
			add(&moves, fmt.Sprintf("%s: %s → %s", class, first(p.Before), cmp.Or(first(p.After), "nothing")))
		}
	}
	if len(moves) > 0 {
		return moves, nil
	}
	return moves, why
}

func (r StatusReport) printSwitches(w io.Writer) {
	d := r.Switches
	switch {
	case d == nil:
		fmt.Fprintf(w, "\nwhat is published as %s is not known: %s\n", wire.DegradationDocument, cmp.Or(r.Unknown.Switches, "it was not asked"))
		r.printInForce(w)
		return
	case d.Faults != "":
		fmt.Fprintf(w, "\n%s@%s is faulty and comes into force nowhere; servers keep the form that they have:\n  %s\n",
			wire.DegradationDocument, d.Revision, strings.ReplaceAll(d.Faults, "\n", "\n  "))
	case d.Revision == "" && r.keepsSwitches():
		fmt.Fprintf(w, "\n%s does not exist any more; servers keep the form that they have. "+
			"`parley restore` ends the degradation, the same `parley degrade …` again keeps it\n", wire.DegradationDocument)
	case len(d.Switches) == 0:
		fmt.Fprintf(w, "\nno switch is in force\n")
	default:
		fmt.Fprintf(w, "\nSWITCH\tTO\tSCOPE\tUNTIL\tSHARE\tBY\tREASON\n")
	}
	for _, s := range d.Switches {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f%%\t%s\t%s\n", s.ID, s.To, s.scope(), s.end(), 100*s.Share, s.By, strings.ReplaceAll(s.Reason, "\n", " "))
	}
	for _, s := range d.Switches {
		if len(s.Effect) == 0 && len(s.Futile) > 0 {
			fmt.Fprintf(w, "switch %q has no effect: %s\n", s.ID, strings.Join(s.Futile, "; "))
		}
	}
	for _, text := range slices.Concat(d.Unknown, d.Over) {
		fmt.Fprintf(w, "%s\n", text)
	}
	if d.Unjudged != "" {
		fmt.Fprintf(w, "what switches do is not known: %s\n", d.Unjudged)
	}
	r.printInForce(w)
}

// keepsSwitches reports whether a server has a form of parley-degradation in force.
func (r StatusReport) keepsSwitches() bool {
	return slices.ContainsFunc(r.Servers, func(s serverReport) bool {
		d, ok := s.document(wire.DegradationDocument)
		return ok && d.Revision != ""
	})
}

func (s switchReport) scope() string {
	text := "every tenant"
	if len(s.Tenants) > 0 {
		text = joinSome(s.Tenants)
	}
	if len(s.Providers) > 0 {
		text += ", instead of " + strings.Join(s.Providers, ",")
	}
	return text
}

func (s switchReport) end() string {
	switch {
	case s.Until == nil:
		return "restored"
	case s.Ramp != "":
		return s.Until.Format(time.RFC3339) + ", ramp " + s.Ramp
	default:
		return s.Until.Format(time.RFC3339)
	}
}
