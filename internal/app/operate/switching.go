package operate

import (
	"time"
)

// Switching is what a change of the switches did, or would do.
type Switching struct {
	ID         string      `json:"id,omitempty"`
	To         string      `json:"to,omitempty"`
	Scope      string      `json:"scope,omitempty"`
	Until      *time.Time  `json:"until,omitempty"`
	Moves      []Move      `json:"moves"`
	Idle       []string    `json:"unchanged"` // classes of turns that stay where they are
	Notes      []string    `json:"notes"`
	Objections []Objection `json:"objections"`
	Difference string      `json:"difference"`
	Revision   string      `json:"revision,omitempty"` // as published; empty: nothing was changed
	Have       int         `json:"have"`               // servers that have it in force
	Servers    int         `json:"servers"`
	Took       float64     `json:"took_seconds"` // until they had
}

// Move is what happens to one class of turns.
type Move struct {
	Class   string   `json:"class"`
	From    string   `json:"from"` // provider/model
	To      string   `json:"to"`   // empty: nothing is left, they fail
	Tenants []string `json:"tenants"`
}

// Objection is a reason not to switch, and how to mend it. A fatal one is the servers' own: they would refuse the document.
type Objection struct {
	What  string `json:"what"`
	Mend  string `json:"mend"`
	Fatal bool   `json:"fatal"`
}

// plan takes over what a plan found.
func (s *Switching) plan(p *plan) {
	s.ID, s.To, s.Scope, s.Idle, s.Notes = p.options.id(), p.options.To, p.scope(), p.idle, p.notes
	if sw := find(p.is, s.ID); sw != nil && !sw.Until.IsZero() {
		s.Until = &sw.Until
	}
	for _, m := range p.moves {
		s.Moves = append(s.Moves, Move{m.class, m.from, m.to, m.tenants})
	}
	s.Objections = p.objections
}
