package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Asked is one message that a person wrote.
type Asked struct {
	ID    ID
	Begun time.Time // when the platform posted it first
	Acked time.Time // when it got its 200; zero: never
}

// Seen is one text that a person was shown. A person's texts are given in the order shown.
type Seen struct {
	Person string
	Text   string
	At     time.Time
}

// Kind is a way to be wrong.
type Kind string

// The kinds of fault.
const (
	Unacknowledged Kind = "not acknowledged"  // no 200 in all the platform's tries
	Lost           Kind = "lost"              // acknowledged and never answered
	Doubled        Kind = "answered twice"    // a second answer to one message
	Misordered     Kind = "out of order"      // a later message answered before an earlier one
	Misdirected    Kind = "to a wrong person" // an answer to somebody else's message
	WrongContext   Kind = "wrong context"     // the model was given another history than the person saw
	Strange        Kind = "not an answer"     // an apology, or an answer to what nobody asked
)

// Kinds is all of them, in the order in which they are reported.
func Kinds() []Kind {
	return []Kind{Unacknowledged, Lost, Doubled, Misordered, Misdirected, WrongContext, Strange}
}

// Fault is one thing that is wrong.
type Fault struct {
	Kind   Kind
	Person string
	What   string
}

// Report is what a check found.
type Report struct {
	Asked    int
	Acked    int
	Answered int // messages with at least one answer of their own
	Seen     int
	Faults   []Fault
}

// OK reports that nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// Count is the number of faults of a kind.
func (r Report) Count(k Kind) int {
	n := 0
	for _, f := range r.Faults {
		if f.Kind == k {
			n++
		}
	}
	return n
}

func (r *Report) fault(k Kind, person, format string, args ...any) {
	r.Faults = append(r.Faults, Fault{k, person, fmt.Sprintf(format, args...)})
}

// Check compares what was asked with what was seen. window is how many turns the tenant's history keeps.
func Check(asked []Asked, seen []Seen, window int) Report {
	r := Report{Asked: len(asked), Seen: len(seen)}
	byID := make(map[ID]Asked, len(asked))
	for _, a := range asked {
		byID[a.ID] = a
		if !a.Acked.IsZero() {
			r.Acked++
		}
	}
	people := make(map[string]*person)
	answered := make(map[ID]bool, len(asked))
	for _, s := range seen {
		p := people[s.Person]
		if p == nil {
			p = &person{name: s.Person, window: window}
			people[s.Person] = p
		}
		id, ok := Answered(s.Text)
		a, known := byID[id]
		switch {
		case !ok:
			r.fault(Strange, s.Person, "was shown %q", s.Text)
		case !known:
			r.fault(Strange, s.Person, "was shown an answer to %s, which nobody asked", id)
		case id.Person != s.Person:
			r.fault(Misdirected, s.Person, "was shown the answer to %s", id)
		case answered[id]:
			r.fault(Doubled, s.Person, "was shown another answer to %s", id)
		default:
			answered[id] = true
			p.take(&r, a, s.Text)
		}
	}
	for _, a := range asked {
		switch {
		case answered[a.ID]:
			r.Answered++
		case a.Acked.IsZero():
			r.fault(Unacknowledged, a.ID.Person, "%s got no 200", a.ID)
		default:
			r.fault(Lost, a.ID.Person, "%s, acknowledged %s, has no answer", a.ID, a.Acked.Format(time.TimeOnly))
		}
	}
	for _, a := range asked {
		if a.Acked.IsZero() && answered[a.ID] {
			r.fault(Unacknowledged, a.ID.Person, "%s got no 200, though it was answered", a.ID)
		}
	}
	return r
}

// person is a conversation as its person saw it.
type person struct {
	name   string
	window int
	turns  [][2]Line
	before []Asked // answered so far
}

// take compares an answer with the one that this conversation should have got, and adds it.
func (p *person) take(r *Report, a Asked, text string) {
	for _, b := range p.before {
		// Messages whose deliveries overlapped have no order.
		if !a.Acked.IsZero() && a.Acked.Before(b.Begun) {
			r.fault(Misordered, p.name, "%s was answered before %s", b.ID, a.ID)
			break
		}
	}
	p.before = append(p.before, a)
	q := Line{"user", Question(a.ID)}
	var context []Line
	for _, t := range p.turns[max(0, len(p.turns)-p.window):] {
		context = append(context, t[0], t[1])
	}
	if want := Answer(append(context, q)); want != frame(answer, text) {
		r.fault(WrongContext, p.name, "%s was answered %s; with turns %s before it, it is %s", a.ID, frame(answer, text), p.history(), want)
	}
	p.turns = append(p.turns, [2]Line{q, {"assistant", text}})
}

func (p *person) history() string {
	var ids []string
	for _, b := range p.before[:len(p.before)-1] {
		ids = append(ids, b.ID.String())
	}
	return "[" + strings.Join(ids, " ") + "]"
}

// String lists the counts, and the first faults of each kind.
func (r Report) String() string {
	const first = 5
	var b strings.Builder
	fmt.Fprintf(&b, "  %-18s %7d\n  %-18s %7d\n  %-18s %7d\n", "messages", r.Asked, "acknowledged", r.Acked, "answered", r.Answered)
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "  %-18s %7d\n", k, r.Count(k))
	}
	for _, k := range Kinds() {
		faults := slices.DeleteFunc(slices.Clone(r.Faults), func(f Fault) bool { return f.Kind != k })
		for i, f := range faults {
			if i == first {
				fmt.Fprintf(&b, "  … and %d more %s\n", len(faults)-first, k)
				break
			}
			fmt.Fprintf(&b, "  %s: %s: %s\n", k, f.Person, f.What)
		}
	}
	return b.String()
}
