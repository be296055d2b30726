package conversation

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
)

// gates keep a process from sending what a channel refuses anyway. A gate shuts when the platform refuses for a reason that holds for all that
// is sent on the channel (a wrong secret, a caller's address that it does not trust, its limit on calls); then one reply at a time tries
// whether it still does, after growing pauses, and the others wait without a call. When it takes one, the gate opens. A process that has just
// begun does not know; of the replies that others left behind, which may be thousands that were refused, it tries one first.
type gates struct {
	spread func(time.Duration) time.Duration
	shut   func(Blocked, *chat.Error)
	opened func(Blocked)
	gone   func(Blocked)

	mu    sync.Mutex
	all   map[chanKey]*gate
	taken map[chanKey]bool // channels that took something from this process
}

type chanKey struct{ tenant, channel string }

// gate is one that is shut, or, without a reason, one that is tried first.
type gate struct {
	why     Blocked
	tries   int
	next    time.Time     // when the next try is due
	pause   time.Duration // between the last and the next
	probing bool          // one is on its way
}

// Blocked is a channel that refuses what this process sends. Replies wait; see [Options.SendFor].
type Blocked struct {
	Tenant  string    `json:"tenant"`
	Channel string    `json:"channel"`
	Code    string    `json:"code,omitempty"` // the platform's
	Why     string    `json:"why"`            // the refusal, as it was logged
	Since   time.Time `json:"since"`
}

const (
	firstProbe = time.Second
	// maxProbe is the longest pause between two tries whether a channel takes messages again, unless the platform asks for a longer one. With
	// what replies are spread over, they go out within a minute of the mending.
	maxProbe = 35 * time.Second
)

// closes says whether a refusal is of the channel, not of one message.
func closes(e *chat.Error) bool {
	return e.Kind == chat.Unauthenticated || e.Kind == chat.Forbidden || e.Kind == chat.RateLimited && e.RetryAfter > inPlace
}

// passage is a gate as one reply meets it.
type passage struct {
	*gates
	key chanKey
}

func (g *gates) at(k chat.ConversationKey) passage { return passage{g, chanKey{k.Tenant, k.Channel}} }

// enter asks to send; left: a reply that another process left behind. wait: the gate is shut for that long. probe: the reply tries whether it
// still has to be. Whoever enters leaves, or turns back.
func (p passage) enter(left bool) (probe bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.all[p.key]
	switch {
	case g == nil && left && !p.taken[p.key]:
		g = p.add()
	case g == nil, !g.refuses() && !left:
		return false, 0
	case g.probing || time.Now().Before(g.next):
		return false, p.wait(g)
	}
	g.probing = true
	return true, 0
}

// refuses: somebody was refused.
func (g *gate) refuses() bool { return g.why.Why != "" }

// add makes a gate. The caller holds the lock.
func (p passage) add() *gate {
	g := &gate{why: Blocked{Tenant: p.key.tenant, Channel: p.key.channel, Since: time.Now()}}
	p.all[p.key] = g
	return g
}

// wait is until the next try of the gate and, for all not to come at once, a little longer. The caller holds the lock.
func (p passage) wait(g *gate) time.Duration {
	return max(time.Until(g.next), firstProbe) + p.spread(min(g.pause, maxProbe)/3)
}

// turnBack ends a passage without a send, or with one that says nothing.
func (p passage) turnBack(probe bool) {
	if !probe {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.all[p.key]; g != nil {
		g.probing = false
	}
}

// leave ends a passage with what the platform said; nil: it took the part. wait: the gate is shut for that long.
func (p passage) leave(probe bool, e *chat.Error) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.all[p.key]
	refused, serves := e != nil && closes(e), e == nil || !closes(e) && !e.Kind.Retryable()
	p.taken[p.key] = p.taken[p.key] || serves
	switch {
	case g != nil && serves && (probe || !g.refuses()):
		delete(p.all, p.key)
		if g.refuses() {
			p.opened(g.why)
		}
		return 0
	case !refused && (!probe || g == nil): // it says nothing of a gate that was shut, or opened, meanwhile
		return 0
	case g == nil:
		g = p.add()
	case !probe && g.refuses(): // sent before the gate was shut
		return p.wait(g)
	}
	g.probing = g.probing && !probe
	g.pause = max(min(firstProbe<<min(g.tries, 10), maxProbe), e.RetryAfter)
	g.next = time.Now().Add(g.pause)
	g.tries++
	if refused && (g.why.Code != e.Code || g.why.Why == "") {
		g.why.Code, g.why.Why = e.Code, e.Error()
		p.shut(g.why, e)
	}
	return p.wait(g)
}

// keep forgets what was said of channels that are gone from their tenants' documents: nothing would be sent there that could open a gate.
func (g *gates) keep(there func(tenant, channel string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, x := range g.all {
		if !there(k.tenant, k.channel) {
			delete(g.all, k)
			delete(g.taken, k)
			if x.refuses() {
				g.gone(x.why)
			}
		}
	}
}

// Blocked lists the channels that refuse what this process sends, by tenant and channel.
func (s *Service) Blocked() []Blocked {
	s.gates.mu.Lock()
	defer s.gates.mu.Unlock()
	out := make([]Blocked, 0, len(s.gates.all))
	for _, g := range s.gates.all {
		if g.refuses() {
			out = append(out, g.why)
		}
	}
	slices.SortFunc(out, func(a, b Blocked) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Channel, b.Channel))
	})
	return out
}

func (s *Service) newGates() *gates {
	unblock := func(b Blocked) {
		s.metrics.blocked.DeletePartialMatch(map[string]string{"tenant": b.Tenant, "channel": b.Channel})
	}
	return &gates{
		gone:   unblock,
		spread: s.spread,
		all:    map[chanKey]*gate{},
		taken:  map[chanKey]bool{},
		shut: func(b Blocked, e *chat.Error) {
			unblock(b)
			s.metrics.blocked.WithLabelValues(b.Tenant, b.Channel, s.metrics.codes.label(b.Code)).Set(1)
			s.Log.Error("a channel's platform refuses all that is sent; replies are kept and sent once that is mended",
				"tenant", b.Tenant, "channel", b.Channel, "code", b.Code, "kept_for", s.SendFor.String(), "err", e)
		},
		opened: func(b Blocked) {
			unblock(b)
			s.Log.Info("a channel's platform takes messages again; the replies that wait go out",
				"tenant", b.Tenant, "channel", b.Channel, "code", b.Code, "after", time.Since(b.Since).Round(time.Second).String())
		},
	}
}
