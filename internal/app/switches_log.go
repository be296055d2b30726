package app

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/route"
)

// switchLog records what becomes of every switch on this server, whoever edited the document and however: on, off, changed, or ended by its
// own until. It holds what is in force to compare the next form with.
type switchLog struct {
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex
	revision string
	active   map[string]route.Switch
	since    map[string]time.Time // of those in active, here: a restart begins anew
	next     *time.Timer          // when the next switch ends
}

func newSwitchLog(log *slog.Logger) *switchLog {
	return &switchLog{log: log, now: time.Now, active: map[string]route.Switch{}, since: map[string]time.Time{}}
}

// inForce is what a form's switches do at a time, in the same words on every server: who compares servers compares this.
func inForce(d *route.Degradation, now time.Time) string {
	var all []string
	if d != nil {
		for _, s := range d.Switches {
			if s.InForce(now) {
				all = append(all, s.ID+" → "+s.To)
			}
		}
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// take compares a form that has come into force with the one before. It is called for the same form again when what it refers to has changed.
func (l *switchLog) take(d *route.Degradation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, was := l.now(), l.revision
	l.revision = d.Revision
	is := map[string]route.Switch{}
	for _, s := range d.Switches {
		if s.InForce(now) {
			is[s.ID] = s
		}
	}
	for _, s := range d.Switches {
		before, on := l.active[s.ID]
		after, stays := is[s.ID]
		switch {
		case stays && !on:
			l.record("on", was, &after)
		case on && !stays:
			l.record("off", was, &s)
		case stays && !same(before, after):
			l.record("changed", was, &after)
		}
		delete(l.active, s.ID)
	}
	for _, s := range l.active { // the document does not have it any more: nobody says who did that, or why
		s.By, s.Reason = "", ""
		l.record("removed", was, &s)
	}
	l.active = is
	l.date(now)
	l.wait(now)
}

func same(a, b route.Switch) bool {
	return a.To == b.To && slices.Equal(a.Tenants, b.Tenants) && slices.Equal(a.Providers, b.Providers) && a.Until.Equal(b.Until) && a.Ramp == b.Ramp
}

func (l *switchLog) record(state, was string, s *route.Switch) {
	s.Active = state == "on" || state == "changed"
	l.log.Info("audit", append([]any{"action", "switch " + state, "id", s.ID, "document", wire.DegradationDocument, "was", was, "revision", l.revision},
		wire.SwitchAttrs(s)...)...)
}

// wait comes back when the next switch ends by itself; the caller holds mu.
func (l *switchLog) wait(now time.Time) {
	if l.next != nil {
		l.next.Stop()
	}
	var soonest time.Time
	for _, s := range l.active {
		if !s.Until.IsZero() && (soonest.IsZero() || s.Until.Before(soonest)) {
			soonest = s.Until
		}
	}
	if !soonest.IsZero() {
		l.next = time.AfterFunc(soonest.Sub(now), l.expire)
	}
}

// expire records the switches whose time is over.
func (l *switchLog) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for id, s := range l.active {
		if !s.InForce(now) {
			l.record("over", l.revision, &s)
			delete(l.active, id)
		}
	}
	l.date(now)
	l.wait(now)
}
