package fleet

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// Times that operators need not set.
const (
	// defaultGrace covers the slowest way in which servers hear of each other: a poll of the registry after a lost push (2 s), and the
	// opening of a connection.
	defaultGrace    = 3 * time.Second
	defaultPatience = 5 * time.Second
	// doubtFor is how long a keeper that could not be asked is not asked again.
	doubtFor = 5 * time.Second
	beat     = 200 * time.Millisecond
	// standstill is how long this process may get no time before it has to think that others took it for dead. They need longer than that.
	standstill  = time.Second
	mostWaiting = 10_000
)

// KeyAsk asks for leave to make one more call with a key.
type KeyAsk struct {
	Key     string // its name, never the key itself
	Limit   int    // calls at once in the whole fleet
	Running bool   // the call runs already: it is counted, above the limit too
	Try     bool   // do not wait at the limit
}

// KeyRest says that a key is not to be used for a while, and why.
type KeyRest struct {
	Key  string
	For  time.Duration
	Kind chat.Kind // of the error that sent it to rest
	Code string
}

// View is which servers there are, as this one sees it.
type View struct {
	Settled bool     // false: the first look at the registry and at those in it is not over
	Servers []string // addresses of the other servers that are registered and up
	Known   int      // how many other servers are registered, be they up or not
	Listed  bool     // this server is registered, too
	Barred  string   // why the others would refuse to talk with this server about keys; empty: they would not
}

// Peers is how a server sees and reaches the others. Its methods are safe for concurrent use; errors are *chat.Error.
type Peers interface {
	View() View
	// Changed is closed when View changes after the call.
	Changed() <-chan struct{}
	// Hold asks another server for a hold, and blocks as long as that lasts: until ctx ends, or the server ends or refuses it. granted is
	// called, by the calling goroutine, when the call may be made, at most once.
	Hold(ctx context.Context, addr string, ask KeyAsk, granted func()) error
	Rest(ctx context.Context, addr string, rest KeyRest) error
}

// Options configure a [Fleet]. Zero values of the times take defaults.
type Options struct {
	Self  string // this server's address, as the others see it
	Peers Peers  // nil: there can be no others
	// OnRest hears of keys that other servers sent to rest. It must not block.
	OnRest    func(key string, d time.Duration, kind chat.Kind, code string)
	Grace     time.Duration // how long a new keeper of a key lets nobody in, 3 s by default
	Patience  time.Duration // how long to look for a keeper before counting alone, 5 s by default
	Telemetry *telemetry.Telemetry
}

// Fleet is one server's part in keeping keys together. It is safe for concurrent use.
type Fleet struct {
	self     string
	peers    Peers
	onRest   func(key string, d time.Duration, kind chat.Kind, code string)
	patience time.Duration
	log      *slog.Logger
	metrics  *metrics
	telling  chan struct{} // bounds what Rest sends at once

	mu      sync.Mutex // held for moments only, never while waiting for anything
	ring    ring
	view    View
	leaving bool
	changed chan struct{} // closed when the ring changes
	seen    time.Time     // when this process was last seen to run
	stood   time.Duration // how long it stood still, until that is logged
	kept    *counter      // calls with the keys that this server keeps
	alone   *counter      // calls that are counted in this process alone
	holds   map[*hold]struct{}
	doubts  map[string]doubt // keepers that could not be asked when they were last
	told    map[string]told
}

// New makes the part of one server; Run starts it.
func New(o Options) *Fleet {
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Telemetry == nil {
		o.Telemetry = telemetry.Discard()
	}
	if o.OnRest == nil {
		o.OnRest = func(string, time.Duration, chat.Kind, string) {}
	}
	f := &Fleet{
		self: o.Self, peers: o.Peers, onRest: o.OnRest, patience: o.Patience, log: o.Telemetry.Log, metrics: newMetrics(o.Telemetry.Metrics),
		telling: make(chan struct{}, mostTelling), ring: ring{self: o.Self, grace: o.Grace}, changed: make(chan struct{}), seen: time.Now(),
		holds: map[*hold]struct{}{}, doubts: map[string]doubt{}, told: map[string]told{},
	}
	f.kept = newCounter(f.closedFor, f.openLater, f.metrics)
	f.alone = newCounter(func(string) time.Duration { return 0 }, nil, f.metrics)
	if o.Peers == nil { // nobody else can hold anything: no grace
		f.ring.servers = []string{o.Self}
	}
	return f
}

// Run follows which servers there are until ctx ends. Holds are granted only while it runs, unless there can be no other servers. Start it
// when the others can find this one; what is asked before waits.
func (f *Fleet) Run(ctx context.Context) {
	if f.peers == nil {
		return
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		changed := f.peers.Changed()
		f.look(f.peers.View())
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// Leave ends this server's keeping of keys: it is about to end, and others take over. Its own calls go on and stay counted. While there
// is no other server it keeps them all the same.
func (f *Fleet) Leave() {
	f.mu.Lock()
	f.leaving = true
	v := f.view
	f.mu.Unlock()
	if f.peers != nil {
		f.look(v)
	}
}
