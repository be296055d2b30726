package operate

import (
	"context"
	"strings"
	"time"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/liveconfig"
	"parley/internal/route"
)

// Switchboard is parley-degradation as it is published, what can be switched, and who did so.
type Switchboard struct {
	Revision  string         `json:"revision,omitempty"` // empty: the document does not exist
	Faults    string         `json:"faults,omitempty"`   // why nobody takes it over
	Unjudged  string         `json:"unjudged,omitempty"` // why the routes could not be read
	Switches  []SwitchState  `json:"switches"`           // all of them, in the order in which they decide
	Providers []SwitchTarget `json:"providers"`          // where turns can go
	Tenants   []string       `json:"tenants"`            // that have a document
	History   []audit.Entry  `json:"history"`            // newest first
	Unread    string         `json:"unread,omitempty"`   // why the history could not be read
}

// SwitchState is one switch, be it on or off.
type SwitchState struct {
	switchReport
	Active  bool `json:"active"`
	InForce bool `json:"in_force"`
}

// SwitchTarget is a provider with the models that routes name.
type SwitchTarget struct {
	Name   string   `json:"name"`
	Models []string `json:"models"`
}

// historyLength is how many changes of the switches are shown, of the newest entries of the log.
const historyLength, historyDepth = 30, 500

// Switchboard reads the switches. What cannot be read besides the document is named, and no error.
func (d *Desk) Switchboard(ctx context.Context) (*Switchboard, error) {
	b, err := d.read()
	if err != nil {
		return nil, err
	}
	content, exists, err := b.get(ctx, wire.DegradationDocument)
	if err != nil {
		return nil, err
	}
	s := &Switchboard{Switches: []SwitchState{}, Providers: []SwitchTarget{}, Tenants: []string{}, History: []audit.Entry{}}
	s.Unjudged = textOf(b.load(ctx))
	if b.table != nil {
		for _, p := range b.table.Providers() {
			s.Providers = append(s.Providers, SwitchTarget{p.Name, append([]string{}, b.table.Served(p.Name)...)})
		}
	}
	if names, err := b.source.List(ctx, wire.TenantPrefix); err == nil {
		for _, n := range names {
			s.Tenants = append(s.Tenants, strings.TrimPrefix(n, wire.TenantPrefix))
		}
	}
	if exists {
		s.judge(content, b.table, time.Now())
	}
	s.Unread = textOf(d.history(ctx, s))
	return s, nil
}

// judge says of every switch what it is and does.
func (s *Switchboard) judge(content []byte, table *route.Table, now time.Time) {
	s.Revision = liveconfig.Revision(content)
	is, err := route.ParseDegradation(content, wire.DegradationDocument, s.Revision)
	if err != nil {
		s.Faults = wire.Reason(err)
		return
	}
	if table != nil {
		s.Faults = reasonOf(is.Check(table, now))
	}
	for i := range is.Switches {
		sw := &is.Switches[i]
		one := SwitchState{switchReport: reportSwitch(sw, now), Active: sw.Active, InForce: sw.InForce(now)}
		if table != nil && one.InForce && s.Faults == "" {
			one.Effect, one.Futile = effect(table, is, sw, now)
		}
		s.Switches = append(s.Switches, one)
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return wire.Reason(err)
}

// history takes the newest changes of the switches from the log.
func (d *Desk) history(ctx context.Context, s *Switchboard) error {
	store, err := d.keeps(ctx)
	if err != nil {
		return err
	}
	entries, err := store.Audit(ctx, audit.Operators, 0, historyDepth)
	if err != nil {
		return d.redis(err)
	}
	for _, e := range entries {
		if e.Object == wire.DegradationDocument && len(s.History) < historyLength {
			s.History = append(s.History, e)
		}
	}
	return nil
}
