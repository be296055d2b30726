package simulate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
)

// world is everything that a plan happens to. mu guards the store's effects together with the ledger's view of them; nobody blocks while
// holding it.
type world struct {
	plan    Plan
	cup     *cup
	began   time.Time
	store   *memstore.Store
	planted *planted
	ledger  *ledger
	fleet   *fleet
	tenants map[string]*chat.Tenant
	waiting int
	end     chan struct{} // closed when all is over, also for the dead
	all     sync.WaitGroup

	mu      sync.Mutex
	slots   [processes]*process
	procs   []*process
	started int
	calm    bool // nothing goes wrong any more
	over    bool // nobody starts any more
	left    map[Kind]int
	cuts    []cut
	blocked []block

	noting sync.Mutex
	notes  []note
	faults []string
}

// cut is a time in which the store does not answer a process.
type cut struct {
	slot        int
	from, until time.Time
}

func newWorld(p Plan) *world {
	w := &world{
		plan: p, cup: &cup{seed: p.Seed, uses: map[string]uint64{}}, began: time.Now(), store: memstore.New(time.Now), end: make(chan struct{}),
		left: map[Kind]int{Kill: 4, Freeze: 4},
	}
	w.planted = &planted{Store: w.store, w: w, newest: map[string]conversation.Claim{}, history: map[string][]chat.Turn{}}
	w.ledger, w.fleet = newLedger(w), &fleet{w: w, table: table()}
	d := w.cup.dice("tenants")
	texts := map[string]string{}
	for _, n := range conversation.TextNames() {
		texts[n] = "<" + n + ">"
	}
	texts["degraded"], texts["waited"] = "<degraded {model}>", "<waited {seconds}>"
	tenant := chat.Tenant{
		Name: "acme", Model: "chat", Texts: texts, History: chat.HistoryLimits{Turns: historyTurns, TTL: 24 * time.Hour},
		Limits: chat.TenantLimits{MaxWait: 90 * time.Second, MaxInput: 200},
	}
	tenant.Merge = p.Kinds[Merge]
	other := tenant
	other.Name = "beta"
	if p.Kinds[Caps] {
		other.Limits.TokensPerDay, other.Limits.UserPerDay, other.Limits.MaxOutput = oneOf(d, 300, 1000, 100000), oneOf(d, 0, 400), 100
	}
	if p.Kinds[Shed] {
		tenant.Limits.MaxWait = oneOf(d, 5*time.Second, tenant.Limits.MaxWait)
		tenant.Limits.UserPerMinute, other.Limits.TurnsInFlight, w.waiting = oneOf(d, 0, 2, 4), oneOf(d, 0, 1, 2, 3), oneOf(d, 0, 8)
		tenant.Limits.TurnsInFlight = oneOf(d, 0, 1, 3, 5)
	}
	w.tenants = map[string]*chat.Tenant{"acme": &tenant, "beta": &other}
	for _, post := range p.Posts {
		w.ledger.letters[post.M.ID] = &letter{m: post.M}
	}
	return w
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) storming() bool { return time.Since(w.began) < w.plan.Storm }

// may says whether one more may go wrong in this way in this world, beside the plan.
func (w *world) may(k Kind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left[k] == 0 || w.calm {
		return false
	}
	w.left[k]--
	return true
}

// cutOff reports whether the store does not answer a process now.
func (w *world) cutOff(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(w.cuts, func(c cut) bool {
		return (c.slot < 0 || c.slot == p.slot) && !now.Before(c.from) && now.Before(c.until) && !w.calm
	})
}

// happen carries out one event of the plan.
func (w *world) happen(e Event, d *dice) {
	var hit []*process
	w.locked(func() {
		for _, p := range w.slots {
			if p != nil && (e.Slot < 0 || e.Slot == p.slot) {
				hit = append(hit, p)
			}
		}
	})
	switch e.Kind {
	case Switch:
		w.locked(w.fleet.flip)
	case Block:
		ch := channels[1+max(0, e.Slot)]
		w.locked(func() { w.blocked = append(w.blocked, block{ch, time.Now(), time.Now().Add(e.For), map[string]int{}}) })
		w.note("channel "+ch, "refuses all for %v", e.For)
	case Outage:
		w.locked(func() { w.cuts = append(w.cuts, cut{e.Slot, time.Now(), time.Now().Add(e.For)}) })
		w.note("store", "does not answer slot %d for %v", e.Slot, e.For)
	}
	for _, p := range hit {
		after := d.between(100*time.Millisecond, 8*time.Second)
		switch e.Kind {
		case Kill:
			p.kill("at large", after)
		case Freeze:
			p.freeze("at large", e.For)
		case Stop:
			p.shutdown(after)
		}
	}
}

// run lets the plan happen, heals everything, waits until all is quiet, and ends all.
func (w *world) run() {
	if w.plan.Kinds[Night] { // the bubble's clock begins at 8 in Beijing
		time.Sleep(16*time.Hour - w.plan.Storm/2)
		w.began = time.Now()
	}
	d := w.cup.dice("run")
	w.locked(func() {
		for i := range processes {
			w.start(i)
		}
	})
	type thing struct {
		at time.Duration
		do func()
	}
	var things []thing
	for _, p := range w.plan.Posts {
		things = append(things, thing{p.At, func() { w.post(p) }})
	}
	for _, e := range w.plan.Turns {
		things = append(things, thing{e.At, func() { w.happen(e, d) }})
	}
	slices.SortStableFunc(things, func(a, b thing) int { return cmp.Compare(a.at, b.at) })
	for _, t := range things {
		time.Sleep(t.at - time.Since(w.began))
		t.do()
	}
	time.Sleep(w.plan.Storm - time.Since(w.began))
	w.heal()
	w.calmDown()
	w.shut()
	w.check()
}

// heal ends all trouble: what stands still goes on, what is down is started.
func (w *world) heal() {
	w.note("world", "is healed")
	var procs []*process
	w.locked(func() { w.calm, procs = true, slices.Clone(w.procs) })
	for _, p := range procs {
		p.thaw()
	}
}

// patience is how long after the end of all trouble something may still be under way: a message may wait for its turn, be answered at the last
// moment, and be sent for as long as sending is tried.
const patience = 5 * time.Minute

// calmDown waits until every message is dealt with.
func (w *world) calmDown() {
	for began := time.Now(); time.Since(began) < patience && !w.failed(); {
		time.Sleep(time.Second + 7*time.Microsecond)
		left := 0
		w.locked(func() {
			for _, t := range w.ledger.talks {
				for _, le := range t.letters {
					if !le.done {
						left++
					}
				}
			}
			for _, p := range w.plan.Posts { // still being delivered
				if le := w.ledger.letters[p.M.ID]; !le.accepted && time.Since(le.posted) < tries*10*time.Second+10*time.Second {
					left++
				}
			}
		})
		if left == 0 {
			break
		}
	}
	time.Sleep(12 * time.Second) // what is told after a commit: see accountFor
}

// shut ends all processes, the dead ones, too.
func (w *world) shut() {
	var procs []*process
	w.locked(func() { w.over, procs = true, slices.Clone(w.procs) })
	var down sync.WaitGroup
	for _, p := range procs {
		p.cancel()
		if !p.isDead() {
			down.Go(func() { <-p.done })
		}
	}
	down.Wait()
	close(w.end)
	for _, p := range procs {
		<-p.done
	}
	w.all.Wait()
}

// note is one line of the world's log, formatted when somebody reads it.
type note struct {
	at   time.Duration
	who  string
	what string
	args []any
}

func (n note) String() string {
	return fmt.Sprintf("%14.9f %-16s %s", n.at.Seconds(), n.who, fmt.Sprintf(n.what, n.args...))
}

func (w *world) note(who, what string, args ...any) {
	w.noting.Lock()
	defer w.noting.Unlock()
	w.notes = append(w.notes, note{time.Since(w.began), who, what, args})
}

// fault notes a broken promise.
func (w *world) fault(what string, args ...any) {
	w.note("FAULT", what, args...)
	w.noting.Lock()
	defer w.noting.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(what, args...))
}

func (w *world) failed() bool {
	w.noting.Lock()
	defer w.noting.Unlock()
	return len(w.faults) > 0
}

// Result is what became of a plan.
type Result struct {
	Plan   Plan
	Faults []string
	Log    []string
}

// Run lets a plan happen; call it in a bubble of testing/synctest, where time is simulated.
func Run(p Plan) Result {
	w := newWorld(p)
	w.run()
	r := Result{Plan: p, Faults: w.faults}
	for _, n := range w.notes {
		r.Log = append(r.Log, n.String())
	}
	slices.Sort(r.Log) // what happens at one instant has no order
	return r
}

// probe is the context of the world's own questions to the store.
func probe() context.Context { return context.Background() }
