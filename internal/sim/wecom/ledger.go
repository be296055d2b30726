package wecom

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fate is what became of a message that message/send took.
type Fate string

// The fates. The sender cannot tell them apart.
const (
	FateShown     Fate = ""
	FateDuplicate Fate = "duplicate"
	FatePerMinute Fate = "per_minute" // over the member's limit, dropped silently
	FatePerHour   Fate = "per_hour"
)

// Sent is one message to one person.
type Sent struct {
	Ref
	User      string    `json:"user"`
	At        time.Time `json:"at"`
	MsgID     string    `json:"msgid"`
	Type      string    `json:"type"`
	Content   string    `json:"content"`
	Truncated bool      `json:"truncated,omitempty"`
	Fate      Fate      `json:"fate,omitempty"`
}

// ledger keeps what happened, per person.
type ledger struct {
	onShown func(Sent)

	mu     sync.Mutex
	people map[person]*record
	stats  Stats
}

type person struct {
	Ref
	user string
}

type record struct {
	posted  []Posted
	shown   []Sent
	lost    []Sent      // those with a fate
	taken   []time.Time // what counts for the limits
	changed chan struct{}
}

// Stats are counts since the start.
type Stats struct {
	Posted     int            `json:"posted"`
	Acked      int            `json:"acked"`
	Tries      int            `json:"tries"`
	Again      int            `json:"again"`       // deliveries after the acknowledgement
	AgainAcked int            `json:"again_acked"` // of these answered 200
	Shown      int            `json:"shown"`
	Duplicates int            `json:"duplicates"`
	Limited    int            `json:"limited"`
	Truncated  int            `json:"truncated"`
	Calls      map[string]int `json:"calls"` // by API, refused ones included
}

func newLedger(onShown func(Sent)) *ledger {
	return &ledger{onShown: onShown, people: make(map[person]*record)}
}

// of finds or makes a person's record. The caller holds the lock.
func (l *ledger) of(p person) *record {
	r := l.people[p]
	if r == nil {
		r = &record{changed: make(chan struct{})}
		l.people[p] = r
	}
	return r
}

func (l *ledger) post(p Posted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(person{p.Ref, p.User})
	r.posted = append(r.posted, p)
	l.stats.Posted++
	l.stats.Tries += len(p.Tries)
	if p.Acked {
		l.stats.Acked++
	}
}

func (l *ledger) again(t Try) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Again++
	if t.Status == http.StatusOK {
		l.stats.AgainAcked++
	}
}

// send decides a message's fate, if the duplicate check has not, and records it.
func (l *ledger) send(s Sent, perMinute, perHour int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(person{s.Ref, s.User})
	over := r.limit(s.At, perMinute, perHour)
	if over == FateShown { // an assumption, the harder one: a repetition that the duplicate check drops counts, too
		r.taken = append(r.taken, s.At)
	}
	if s.Fate == FateShown {
		s.Fate = over
	}
	switch s.Fate {
	case FateShown:
		r.shown = append(r.shown, s)
		close(r.changed)
		r.changed = make(chan struct{})
		l.stats.Shown++
		if s.Truncated {
			l.stats.Truncated++
		}
		if l.onShown != nil {
			l.onShown(s)
		}
		return
	case FateDuplicate:
		l.stats.Duplicates++
	default:
		l.stats.Limited++
	}
	r.lost = append(r.lost, s)
}

// limit is the platform's limit per member and application.
func (r *record) limit(now time.Time, perMinute, perHour int) Fate {
	since := func(d time.Duration) int {
		i, _ := slices.BinarySearchFunc(r.taken, now.Add(-d), func(at, t time.Time) int { return at.Compare(t) })
		return len(r.taken) - i
	}
	switch {
	case perMinute >= 0 && since(time.Minute) >= perMinute:
		return FatePerMinute
	case perHour >= 0 && since(time.Hour) >= perHour:
		return FatePerHour
	}
	return FateShown
}

// Shown lists what a person was shown, in order.
func (s *Sim) Shown(ref Ref, user string) []Sent {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.of(person{ref, user}).shown)
}

// Lost lists what message/send took for a person and did not show.
func (s *Sim) Lost(ref Ref, user string) []Sent {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.of(person{ref, user}).lost)
}

// Posted lists what a person posted, in the order in which it was acknowledged or given up.
func (s *Sim) Posted(ref Ref, user string) []Posted {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.of(person{ref, user}).posted)
}

// People lists the users of an application that the ledger knows, sorted.
func (s *Sim) People(ref Ref) []string {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	var users []string
	for p := range s.ledger.people {
		if p.Ref == ref {
			users = append(users, p.user)
		}
	}
	slices.SortFunc(users, cmp.Compare)
	return users
}

// Await blocks until a person was shown n messages in all, and returns them.
func (s *Sim) Await(ctx context.Context, ref Ref, user string, n int) ([]Sent, error) {
	for {
		s.ledger.mu.Lock()
		r := s.ledger.of(person{ref, user})
		shown, changed := slices.Clone(r.shown), r.changed
		s.ledger.mu.Unlock()
		if len(shown) >= n {
			return shown, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return shown, fmt.Errorf("%s was shown %d of %d messages: %w", user, len(shown), n, ctx.Err())
		}
	}
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.ledger.mu.Lock()
	stats := s.ledger.stats
	s.ledger.mu.Unlock()
	stats.Calls = make(map[string]int)
	s.mu.Lock()
	defer s.mu.Unlock()
	for api, n := range s.calls {
		stats.Calls[api] = n
	}
	return stats
}
