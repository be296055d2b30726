package conversation

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxFront is how many of a line ask for a place at once: enough to find every place that comes free, since each who finds one lets the
	// next ask at once; few enough that a crowd costs servers nothing, keeps nobody else's turns from their keys, and keeps its order.
	maxFront = 8
	// stretchFor is how long places are counted for an estimate: between one and two such stretches back.
	stretchFor = 30 * time.Second
	// It takes so many places, and so long, until there is an estimate; less many after a whole stretch.
	evidence    = 20
	evidenceFor = 10 * time.Second
)

// lines are the turns of this process that found no place, a line for each tenant and model: they compete for the same keys and servers.
// The oldest messages are first. A line's front asks for places, and whoever finds one lets the next ask; all others, and whoever comes
// meanwhile, stand behind and ask nobody.
type lines struct {
	mu     sync.Mutex
	all    map[lineOf]*line
	asking int // over all fronts
}

type lineOf struct{ tenant, model string }

type line struct {
	front     []*standing // those who ask
	behind    []*standing // oldest first
	reason    string      // why whoever asked last found no place
	cur, last stretch
}

// stretch counts the places found in a time.
type stretch struct {
	began time.Time
	found int
}

// standing is one turn in its line.
type standing struct {
	of    lineOf
	since time.Time // of its message's acceptance
	turn  context.Context
	ask   context.CancelFunc // ends turn: it is in front
	front bool
}

// full reports whether a newcomer must stand behind others.
func (ls *lines) full(of lineOf) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[of]
	return l != nil && len(l.front) >= maxFront
}

// join lines a turn up. leave must be called with what it gives.
func (ls *lines) join(of lineOf, since time.Time) *standing {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[of]
	if l == nil {
		if ls.all == nil {
			ls.all = map[lineOf]*line{}
		}
		now := time.Now()
		l = &line{cur: stretch{began: now}, last: stretch{began: now}}
		ls.all[of] = l
	}
	s := &standing{of: of, since: since}
	s.turn, s.ask = context.WithCancel(context.Background())
	l.behind = slices.Insert(l.behind, l.rank(s), s)
	ls.advance(l)
	return s
}

// rank is how many stand before s behind the front.
func (l *line) rank(s *standing) int {
	i, _ := slices.BinarySearchFunc(l.behind, s, func(a, b *standing) int { return cmp.Or(a.since.Compare(b.since), -1) })
	return i
}

// advance fills the front from behind.
func (ls *lines) advance(l *line) {
	for len(l.front) < maxFront && len(l.behind) > 0 {
		s := l.behind[0]
		l.behind = slices.Delete(l.behind, 0, 1)
		s.front = true
		s.ask()
		l.front = append(l.front, s)
		ls.asking++
	}
}

// leave takes a turn out of its line; found: because it has a place.
func (ls *lines) leave(s *standing, found bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[s.of]
	s.ask()
	if s.front {
		l.front = slices.DeleteFunc(l.front, func(x *standing) bool { return x == s })
		ls.asking--
	} else if i := slices.Index(l.behind, s); i >= 0 {
		l.behind = slices.Delete(l.behind, i, i+1)
	}
	if found {
		l.turnOver(time.Now())
		if l.last.found+l.cur.found == 0 { // the keys rested: that says nothing of the time after
			l.forget()
		}
		l.cur.found++
	}
	ls.advance(l)
	if len(l.front) == 0 {
		delete(ls.all, s.of)
	}
}

// unfind takes back that a place was found: its provider refused the call as one too many.
func (ls *lines) unfind(of lineOf) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.all[of]; l != nil && l.cur.found > 0 {
		l.cur.found--
	}
}

// void forgets the pace of a line: there was no server, and that says nothing of the time after.
func (ls *lines) void(of lineOf) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.all[of]; l != nil {
		l.forget()
	}
}

// because notes for a line why there was no place; those behind wait for the same.
func (ls *lines) because(of lineOf, reason string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.all[of]; l != nil {
		l.reason = reason
	}
}

// why is what because noted; empty: nothing.
func (ls *lines) why(of lineOf) string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.all[of]; l != nil {
		return l.reason
	}
	return ""
}

// forget begins to count anew.
func (l *line) forget() {
	l.cur = stretch{began: time.Now()}
	l.last = l.cur
}

// turnOver begins a new stretch if it is time.
func (l *line) turnOver(now time.Time) {
	if now.Sub(l.cur.began) >= stretchFor {
		l.last, l.cur = l.cur, stretch{began: now}
	}
}

// expect estimates how long a turn will stand in its line: those before it, at the pace at which this line found places lately. It is not
// known where too little was seen, or nothing comes free at all.
func (ls *lines) expect(s *standing) (wait time.Duration, known bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, now := ls.all[s.of], time.Now()
	l.turnOver(now)
	found, over := l.last.found+l.cur.found, now.Sub(l.last.began)
	if found == 0 || over < evidenceFor || found < evidence && over < stretchFor {
		return 0, false
	}
	before := 0 // the front is asking already
	if !s.front {
		before = len(l.front) + l.rank(s)
	}
	return time.Duration(float64(before) / float64(found) * float64(over)), true
}

// askers is how many turns of this process ask for a place again and again.
func (ls *lines) askers() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.asking
}

// oldest is since when the oldest message of each tenant waits that stands in a line.
func (ls *lines) oldest() map[string]time.Time {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	out := map[string]time.Time{}
	for of, l := range ls.all {
		for _, s := range slices.Concat(l.front, l.behind[:min(1, len(l.behind))]) {
			if first, ok := out[of.tenant]; !ok || s.since.Before(first) {
				out[of.tenant] = s.since
			}
		}
	}
	return out
}
