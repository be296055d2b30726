package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/route"
	"parley/internal/rpc"
)

// switchesReport is parley-degradation as it is published, and the switches of it that are in force now.
type switchesReport struct {
	Revision string         `json:"revision,omitempty"` // empty: the document does not exist
	Faults   string         `json:"faults,omitempty"`   // why nobody takes it over
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
	By        string     `json:"by"`
	Reason    string     `json:"reason"`
}

func askServers(ctx context.Context, cfg config.Either) ([]serverReport, error) {
	f, err := openFleet(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.ask(ctx), nil
}

func askSwitches(ctx context.Context, cfg config.Either) (*switchesReport, error) {
	b, err := openBoard(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer b.close()
	content, exists, err := b.get(ctx, degradationDocument)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", degradationDocument, err)
	}
	if !exists {
		return &switchesReport{Switches: []switchReport{}}, nil
	}
	return reportSwitches(content, b.table, time.Now()), nil
}

func reportSwitches(content []byte, table *route.Table, now time.Time) *switchesReport {
	r := &switchesReport{Revision: liveconfig.Revision(content), Switches: []switchReport{}}
	d, err := route.ParseDegradation(content, degradationDocument, r.Revision)
	if err == nil {
		err = d.Check(table, now)
	}
	if err != nil {
		r.Faults = reason(err)
		return r
	}
	for i := range d.Switches {
		s := &d.Switches[i]
		if !s.InForce(now) {
			continue
		}
		one := switchReport{ID: s.ID, To: s.To, Tenants: list(s.Tenants), Providers: list(s.Providers), Share: s.Share(now),
			Effect: effect(table, d, s, now), By: s.By, Reason: s.Reason}
		if !s.Until.IsZero() {
			one.Until = &s.Until
		}
		if s.Ramp > 0 {
			one.Ramp = briefly(s.Ramp)
		}
		r.Switches = append(r.Switches, one)
	}
	return r
}

// effect says what a switch moves, by the routes alone: "chat: openai/gpt-4o → chatglm/glm-4.6". Empty: turns go there anyway, or an earlier
// switch decides.
func effect(table *route.Table, d *route.Degradation, s *route.Switch, now time.Time) []string {
	tenants := s.Tenants
	if len(tenants) == 0 {
		tenants = append([]string{""}, table.Tenants()...)
	}
	moves := []string{}
	for _, t := range tenants {
		for _, class := range table.Models(t) {
			p := table.Preview(route.Want{Tenant: t, Class: class, Now: now}, d, nil)
			if p.Switch == nil || p.Switch.ID != s.ID {
				continue
			}
			text := fmt.Sprintf("%s: %s → %s", class, first(p.Before), cmp.Or(first(p.After), "nothing"))
			if !slices.Contains(moves, text) {
				moves = append(moves, text)
			}
		}
	}
	return moves
}

// printProviders shows the providers that a server cannot use, or not with all keys.
func (r statusReport) printProviders(w io.Writer) {
	head := "\nSERVER\tPROVIDER\tTROUBLE\n"
	for _, s := range r.Servers {
		for _, p := range s.Providers {
			var trouble []string
			if p.Open {
				trouble = append(trouble, "its breaker is open")
			}
			if p.NeedsKey && p.Keys == 0 {
				trouble = append(trouble, "without key")
			}
			if p.Resting > 0 {
				trouble = append(trouble, fmt.Sprintf("%d of %d keys rest", p.Resting, p.Keys))
			}
			if len(trouble) > 0 {
				fmt.Fprintf(w, "%s%s\t%s\t%s\n", head, s.Address, p.Name, strings.Join(trouble, ", "))
				head = ""
			}
		}
	}
}

func (r statusReport) printSwitches(w io.Writer) {
	d := r.Switches
	switch {
	case d == nil: // it could not be read, which the error says
		return
	case d.Faults != "":
		fmt.Fprintf(w, "\nparley-degradation@%s is faulty; servers keep the form that they have:\n  %s\n", d.Revision, strings.ReplaceAll(d.Faults, "\n", "\n  "))
		return
	case d.Revision == "" && r.keepsSwitches():
		fmt.Fprintf(w, "\nparley-degradation does not exist any more; servers keep the switches that it had\n")
	case len(d.Switches) == 0:
		fmt.Fprintf(w, "\nno switch is in force\n")
	default:
		fmt.Fprintf(w, "\nSWITCH\tTO\tSCOPE\tUNTIL\tSHARE\tBY\tREASON\n")
	}
	for _, s := range d.Switches {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f%%\t%s\t%s\n", s.ID, s.To, s.scope(), s.end(), 100*s.Share, s.By, strings.ReplaceAll(s.Reason, "\n", " "))
	}
	for _, s := range d.Switches {
		if len(s.Effect) == 0 {
			fmt.Fprintf(w, "switch %q has no effect: turns go to %s anyway, or an earlier switch decides\n", s.ID, s.To)
		}
	}
	for _, s := range r.Servers {
		doc, ok := s.document(degradationDocument)
		switch {
		case !ok || doc.Revision == d.Revision && doc.Refused == "":
		case doc.Refused != "" && d.Revision == "":
			fmt.Fprintf(w, "%s keeps parley-degradation@%s, which does not exist any more: `parley restore` mends that\n", s.Address, doc.Revision)
		default:
			fmt.Fprintf(w, "%s has not parley-degradation@%s in force but @%s\n", s.Address, cmp.Or(d.Revision, "-"), cmp.Or(doc.Revision, "-"))
		}
	}
}

// keepsSwitches reports whether a server has a form of parley-degradation in force.
func (r statusReport) keepsSwitches() bool {
	return slices.ContainsFunc(r.Servers, func(s serverReport) bool {
		d, ok := s.document(degradationDocument)
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

// printRefused says of every document that is refused or gone what is wrong with it, once for all who say the same.
func (r statusReport) printRefused(w io.Writer) {
	who := map[[2]string][]string{}
	add := func(id string, docs []rpc.Document) {
		for _, d := range docs {
			if d.Refused != "" {
				key := [2]string{d.Name, d.Refused}
				who[key] = append(who[key], id)
			}
		}
	}
	for _, s := range r.Servers {
		add(s.Address, s.Documents)
	}
	for _, c := range r.Clients {
		add(c.ID, c.Documents)
	}
	for _, key := range sortedKeys(who) {
		fmt.Fprintf(w, "\n%s: what is published is not in force on %s:\n  %s\n", key[0], joinSome(who[key]), strings.ReplaceAll(key[1], "\n", "\n  "))
	}
}

func sortedKeys(m map[[2]string][]string) [][2]string {
	var keys [][2]string
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) })
	return keys
}
