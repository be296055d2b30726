package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Times of the services under test: shorter than in production, so that a seed is short.
const (
	lease     = 4 * time.Second
	grace     = 5 * time.Second
	turnFor   = 20 * time.Second
	sendFor   = time.Minute
	storeWait = time.Second // what a caller waits for the store
)

var errGone = chat.E(chat.Unavailable, "simulate", fmt.Errorf("this process is dead"))

// process is one client service. Everything that it does outside itself passes its gate: a dead one never gets through, one that stands still
// gets through when it goes on.
type process struct {
	w      *world
	name   string
	slot   int
	svc    *conversation.Service
	cancel context.CancelFunc
	done   chan struct{}
	rolls  atomic.Uint64

	mu       sync.Mutex
	held     chan struct{} // closed when it goes on
	dead     bool
	stopping bool
	stood    bool      // has stood still at least once
	stands   time.Time // since when, last
	outlived time.Time // when it began to stand still for longer than a lease, last
	went     time.Time // on, last
	died     time.Time
	born     time.Time
	untold   bool // could not tell the store what a turn had spent
}

func (w *world) start(slot int) {
	w.started++
	p := &process{w: w, name: fmt.Sprint("p", w.started), slot: slot, born: time.Now(), done: make(chan struct{})}
	w.procs = append(w.procs, p)
	w.slots[slot] = p
	turns := 0
	if w.plan.Kinds[Room] {
		turns = 4
	}
	p.svc = conversation.New(conversation.Options{
		Store: &store{p}, Live: &store{p}, Complete: p, Directory: directory{p}, Owner: p.name, Log: slog.New(&listener{p}), Turns: turns, Waiting: w.waiting,
		Lease: lease, Poll: time.Second, Grace: grace, Turn: func() time.Duration { return turnFor }, SendFor: sendFor, Rand: p,
	})
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	w.note(p.name, "started")
	go func() { defer close(p.done); _ = p.svc.Run(ctx) }()
}

// Uint64 implements rand.Source for the service's own dice.
func (p *process) Uint64() uint64 {
	d := dice(p.w.cup.seed ^ uint64(p.slot)<<32 ^ uint64(len(p.name))<<40 ^ p.rolls.Add(1))
	d.next()
	return d.next()
}

// pass blocks while the process stands still, and to the world's end if it is dead. what names the caller: all go on one after the other.
func (p *process) pass(what string) error {
	for {
		p.mu.Lock()
		held, dead := p.held, p.dead
		p.mu.Unlock()
		switch {
		case dead:
			<-p.w.end
			return errGone
		case held != nil:
			<-held
			time.Sleep(p.w.cup.dice(p.name, "goes on", what).between(0, time.Millisecond))
		default:
			return nil
		}
	}
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// kill ends the process; another takes its slot after a while.
func (p *process) kill(where string, again time.Duration) {
	p.mu.Lock()
	was := p.dead
	p.dead = true
	if !was {
		p.died = time.Now()
	}
	p.mu.Unlock()
	if !was {
		p.w.note(p.name, "killed %s", where)
		p.w.replace(p, again)
	}
}

// freeze lets the process stand still for a time; its leases run out meanwhile.
func (p *process) freeze(where string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || p.held != nil {
		return
	}
	p.held, p.stood, p.stands = make(chan struct{}), true, time.Now()
	p.w.note(p.name, "stands still %s for %v", where, d)
	time.AfterFunc(d, p.thaw)
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held, p.went = nil, time.Now()
		if p.went.Sub(p.stands) > lease {
			p.outlived = p.stands
		}
		p.w.note(p.name, "goes on")
	}
}

// outlivedLease says whether the process stands still for longer than a lease, or has since t.
func (p *process) outlivedLease(t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outlived.After(t) || p.held != nil && p.stands.After(t) && time.Since(p.stands) > lease
}

// shutdown is SIGTERM; what cannot be finished is handed over within a bound.
func (p *process) shutdown(again time.Duration) {
	p.mu.Lock()
	was := p.stopping
	p.stopping = true
	p.mu.Unlock()
	if was || p.isDead() {
		return
	}
	p.w.note(p.name, "shuts down")
	p.cancel()
	p.w.replace(p, again)
	p.w.all.Go(func() {
		began := time.Now()
		select {
		case <-p.done:
		case <-p.w.end:
			return
		}
		p.mu.Lock()
		fine := p.dead || p.stood
		p.mu.Unlock()
		if took := time.Since(began); !fine && took > grace+12*time.Second {
			p.w.fault("%s took %v to shut down", p.name, took)
		}
		p.w.note(p.name, "is down")
		if !fine && p.w.reliable() {
			p.w.locked(func() { p.w.ledger.checkGone(p) })
		}
	})
}

// replace starts another process in a slot after a while.
func (w *world) replace(p *process, after time.Duration) {
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.slots[p.slot] == p && !w.over {
			w.start(p.slot)
		}
	})
}

// directory is what a process knows of the tenants.
type directory struct{ p *process }

func (d directory) Tenant(name string) (*chat.Tenant, bool) {
	t, ok := d.p.w.tenants[name]
	return t, ok
}
func (d directory) Tenants() []string      { return []string{"acme", "beta"} }
func (d directory) Models(string) []string { return []string{"chat"} }
func (d directory) Outlet(_, channel string) (conversation.Outlet, bool) {
	return &outlet{d.p, channel}, true
}

// listener takes a service's log into the world's.
type listener struct{ p *process }

func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *listener) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *listener) WithGroup(string) slog.Handler                    { return l }
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	if l.p.isDead() {
		return nil
	}
	attrs := ""
	r.Attrs(func(a slog.Attr) bool { attrs += " " + a.String(); return true })
	l.p.w.note(l.p.name, "says: %s%s", r.Message, attrs)
	if r.Message == "what a turn has spent could not be told to the store" {
		l.p.mu.Lock()
		l.p.untold = true
		l.p.mu.Unlock()
	}
	return nil
}
