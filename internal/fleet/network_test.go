package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// network joins several fleets in one bubble of fake time. A message takes a millisecond.
type network struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[string]*node
	calls provider
}

const latency = time.Millisecond

// node is one server. It sees the fleet as the test says.
type node struct {
	*Fleet
	net  *network
	addr string
	ctx  context.Context // ends with the process
	kill context.CancelFunc

	telemetry *telemetry.Telemetry

	asks    atomic.Int64 // holds asked of others
	mu      sync.Mutex
	view    View
	changed chan struct{}
	refuse  map[string]error // what asking another server gives
	rests   []KeyRest
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, nodes: map[string]*node{}, calls: provider{running: map[*node]int{}}}
}

// start adds a server that sees the others as given, and itself.
func (n *network) start(addr string, others ...string) *node {
	nd := &node{
		net: n, addr: addr, view: View{Settled: true, Servers: others, Listed: true}, changed: make(chan struct{}), refuse: map[string]error{},
		telemetry: telemetry.Discard(),
	}
	nd.ctx, nd.kill = context.WithCancel(context.Background())
	nd.Fleet = New(Options{Self: addr, Peers: nd, Telemetry: nd.telemetry, OnRest: func(key string, d time.Duration, kind chat.Kind, code string) {
		nd.mu.Lock()
		defer nd.mu.Unlock()
		nd.rests = append(nd.rests, KeyRest{key, d, kind, code})
	}})
	n.mu.Lock()
	n.nodes[addr] = nd
	n.mu.Unlock()
	go nd.Run(nd.ctx)
	return nd
}

// fleet starts servers that see each other.
func (n *network) fleet(addrs ...string) []*node {
	var out []*node
	for _, a := range addrs {
		out = append(out, n.start(a, without(addrs, a)...))
	}
	return out
}

func without(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}

func (nd *node) sees(change func(*View)) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	v := nd.view
	v.Servers = slices.Clone(v.Servers)
	change(&v)
	nd.view = v
	close(nd.changed)
	nd.changed = make(chan struct{})
}

func (nd *node) seesServers(others ...string) { nd.sees(func(v *View) { v.Servers = others }) }

func (nd *node) View() View {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	return nd.view
}

func (nd *node) Changed() <-chan struct{} {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	return nd.changed
}

// reach finds another server, or gives the error of a way that is cut.
func (nd *node) reach(addr string) (*node, error) {
	time.Sleep(latency)
	nd.mu.Lock()
	err := nd.refuse[addr]
	nd.mu.Unlock()
	nd.net.mu.Lock()
	to := nd.net.nodes[addr]
	nd.net.mu.Unlock()
	if err == nil && (to == nil || to.ctx.Err() != nil) {
		err = errGone()
	}
	return to, err
}

func errGone() error { return chat.E(chat.Unavailable, "test", errors.New("connection refused")) }

func (nd *node) Hold(ctx context.Context, addr string, ask KeyAsk, granted func()) error {
	nd.asks.Add(1)
	to, err := nd.reach(addr)
	if err != nil {
		return err
	}
	there, cancel := context.WithCancel(to.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	defer context.AfterFunc(nd.ctx, cancel)() // a process that dies loses its connections
	err = to.Keep(there, ask, func() error {
		time.Sleep(latency)
		if there.Err() == nil {
			granted()
		}
		return nil
	})
	if to.ctx.Err() != nil && ctx.Err() == nil {
		return errGone()
	}
	return err
}

func (nd *node) Rest(_ context.Context, addr string, rest KeyRest) error {
	to, err := nd.reach(addr)
	if err != nil {
		return err
	}
	return to.Rested(rest)
}

// provider counts what really runs with the one key of a test.
type provider struct {
	mu      sync.Mutex
	running map[*node]int
	most    int
	total   int
}

func (p *provider) begin(n *node) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.ctx.Err() != nil {
		return false // a dead process makes no calls
	}
	p.running[n]++
	p.total++
	p.most = max(p.most, p.now())
	return true
}

func (p *provider) end(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[n] = max(0, p.running[n]-1)
}

func (p *provider) now() (sum int) {
	for _, n := range p.running {
		sum += n
	}
	return sum
}

// die ends a process: its calls and its connections are gone with it.
func (nd *node) die() {
	p := &nd.net.calls
	p.mu.Lock()
	nd.kill()
	delete(p.running, nd)
	p.mu.Unlock()
	nd.Fleet.mu.Lock()
	defer nd.Fleet.mu.Unlock()
	for h := range nd.holds {
		h.end()
	}
}

// keys is how many keys a server counts calls of, or lines calls up for.
func (f *Fleet) keys() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.kept.lines) + len(f.alone.lines)
}

// stop ends all processes, and waits until nothing of them is left.
func (n *network) stop() {
	for _, nd := range n.nodes {
		nd.die()
	}
	time.Sleep(time.Minute)
}

// reset gives the most calls since the last reset.
func (p *provider) reset() (most, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most, total = p.most, p.total
	p.most, p.total = p.now(), 0
	return most, total
}

// hammer makes calls, one after the other, until the process or ctx ends.
func (n *network) hammer(ctx context.Context, nd *node, key string, limit int, wait bool, length func() time.Duration) {
	for ctx.Err() == nil && nd.ctx.Err() == nil {
		asking, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(nd.ctx, cancel)
		release, err := nd.Fleet.Hold(asking, key, limit, wait)
		stop()
		cancel()
		if err != nil {
			if codeOf(err) != chat.CodeKeysBusy && ctx.Err() == nil && nd.ctx.Err() == nil {
				n.t.Errorf("hold: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if n.calls.begin(nd) {
			time.Sleep(length())
			n.calls.end(nd)
		}
		release()
	}
}

func mustHold(t *testing.T, f *Fleet, key string, limit int) (release func()) {
	t.Helper()
	release, err := f.Hold(t.Context(), key, limit, true)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func wantCode(t *testing.T, err error, kind chat.Kind, code string) {
	t.Helper()
	if err == nil || chat.KindOf(err) != kind || codeOf(err) != code {
		t.Fatalf("got %v, want %v %s", err, kind, code)
	}
}
