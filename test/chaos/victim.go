package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"parley/internal/sim/llm"
	"parley/test/realdeps"
	"parley/test/rig"
)

// victim is a process that is killed, stopped and started again.
type victim struct {
	name   string
	mu     sync.Mutex // held by whoever does something to it
	pid    func() int
	kill   func()
	alive  func() bool
	term   func() error                // in good order; nil: this one is never asked to
	revive func(context.Context) error // starts it again and returns once it is ready

	distrust, trust func(context.Context) error // of the platform: it refuses all that is sent, and takes it again
}

func (v *victim) pause()  { _ = syscall.Kill(v.pid(), syscall.SIGSTOP) }
func (v *victim) resume() { _ = syscall.Kill(v.pid(), syscall.SIGCONT) }

// termWithin is how long a process may take to leave: the grace for running turns, and some for handing over.
const termWithin = 45 * time.Second

// reviveWithin is how long a process may take to be ready again while all around it fails.
const reviveWithin = 3 * time.Minute

// player is a Parley process, over all its starts.
type player struct {
	victim
	mu   sync.Mutex
	node *rig.Node
	died int           // times it ended by itself
	pick func() string // the binary of the next start; nil: always the same
	ran  []string      // the binaries picked so far
}

func newPlayer(n *rig.Node) *player {
	p := &player{node: n}
	p.victim = victim{
		name:  n.Name,
		pid:   func() int { return p.now().PID() },
		kill:  func() { p.now().Kill() },
		alive: func() bool { return p.now().Alive() },
		term:  func() error { return p.now().Term(termWithin) },
	}
	p.revive = p.again
	return p
}

func (p *player) now() *rig.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node
}

// again starts the process as a supervisor would: one that ends before it is ready is started once more.
func (p *player) again(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reviveWithin)
	defer cancel()
	for {
		p.choose()
		n, err := p.now().Restart(ctx)
		if n == nil || n.Process == nil { // there is no such program, or it has not ended
			return err
		}
		p.mu.Lock()
		p.node = n
		p.mu.Unlock()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !n.Alive() { // whatever was out of order when it started: that is no reason to end
			p.mu.Lock()
			p.died++
			p.mu.Unlock()
			pause(ctx, time.Second)
			continue
		}
		for !ready(ctx, n) {
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not become ready: %w", p.name, err)
			}
			pause(ctx, 200*time.Millisecond)
		}
		return nil
	}
}

// choose says which binary starts next.
func (p *player) choose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pick != nil {
		p.node.Binary = p.pick()
		p.ran = append(p.ran, p.node.Binary)
	}
}

func ready(ctx context.Context, n *rig.Node) bool {
	_, err := n.Metrics(ctx)
	return err == nil
}

// daemon is a Redis or a Nacos. at gives the running one.
func daemon(name string, at func() *realdeps.Server, again func(context.Context) error) *victim {
	return &victim{
		name: name, pid: func() int { return at().PID() }, kill: func() { at().Kill() },
		alive: func() bool { return syscall.Kill(at().PID(), 0) == nil },
		term:  func() error { at().Stop(); return nil },
		revive: func(ctx context.Context) error {
			var err error
			for range 3 { // its port may be a moment in coming free
				if err = again(ctx); err == nil || ctx.Err() != nil {
					return err
				}
				pause(ctx, time.Second)
			}
			return fmt.Errorf("%s does not come back: %w", name, err)
		},
	}
}

// platformOf is the simulated WeCom. What people were shown, and what it knows of repetitions, would die with it, so it is only stopped.
func platformOf(w *rig.WeCom) *victim {
	return &victim{
		name: w.Name, pid: w.PID, kill: func() {}, alive: w.Alive, distrust: w.Distrust, trust: w.Trust,
		revive: func(context.Context) error { return errors.New("the simulated platform does not come back") },
	}
}

// vendor is the model's simulated API over all its starts.
type vendor struct {
	victim
	mu    sync.Mutex
	model *rig.Model
	calls []llm.Entry // of earlier starts, but for the last moments of each
}

func newVendor(m *rig.Model) *vendor {
	v := &vendor{model: m}
	v.victim = victim{
		name: m.Name, pid: func() int { return v.now().PID() }, alive: func() bool { return v.now().Alive() },
		kill: func() {
			v.learn()
			v.now().Kill()
		},
		revive: func(ctx context.Context) error {
			again, err := v.now().Restart(ctx)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.model = again
			return err
		},
	}
	return v
}

func (v *vendor) now() *rig.Model {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.model
}

// learn keeps what the running one's ledger says.
func (v *vendor) learn() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	list, err := v.now().Ledger(ctx)
	if err != nil {
		return // the calls serve figures alone
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append(v.calls, list...)
}
