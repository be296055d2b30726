package conversation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// Directory tells who the tenants are at this moment and how to answer their channels. Its methods do not block.
type Directory interface {
	Tenant(name string) (*chat.Tenant, bool)
	Tenants() []string
	Outlet(tenant, channel string) (Outlet, bool)
	// Models lists the model classes that a tenant's people may choose, the default first.
	Models(tenant string) []string
}

// Options make a Service. Zero durations and counts take the defaults named.
type Options struct {
	Store     Store
	Live      LiveWriter
	Complete  Completer
	Directory Directory
	Owner     string // this process's name in leases; unique per start
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Trace     *telemetry.Tracer // nil: none

	Turns   int                                              // conversations claimed at once by this process; 20000
	Waiting int                                              // accepted and not yet answered, per tenant; 100000
	Lease   time.Duration                                    // 4 s; a dead process's turns are taken over after it
	Poll    time.Duration                                    // how often to look for ready conversations that no hint named; 500 ms
	Grace   time.Duration                                    // on shutdown, how long running turns may go on before they are handed over; 20 s
	Turn    func() time.Duration                             // the whole turn's deadline as the routes have it; 180 s
	SendFor time.Duration                                    // how long after its message a reply is kept while the platform refuses or fails; 24 h
	Pause   func(ctx context.Context, d time.Duration) error // between tries; a context-aware sleep
	Backoff func(try int) time.Duration                      // before try+1; 500 ms doubling to 30 s
	Forgot  func(ctx context.Context, d Forgetting)          // records for the audit; it may block for a second; by default it logs
	// Moderation judges a tenant's texts; nil, or if it gives nil: nobody does. It does not block.
	Moderation func(tenant string) chat.Moderator
	Rand       rand.Source // of pauses and of who is served first; safe for concurrent use; math/rand/v2's own
}

// dedupeFor is how long a message id is remembered; platforms redeliver within seconds to hours. Callbacks older than this are refused.
const dedupeFor = 24 * time.Hour

// maxAttempts is how many claims a message may cost before it becomes a dead letter.
const maxAttempts = 3

// sendFor is how long a reply is kept: an operator may need a night to mend what a platform refuses.
const sendFor = 24 * time.Hour

// deadFor is how long a dead letter is kept: it holds a person's text.
const deadFor = 7 * 24 * time.Hour

// maxHanding keeps a shutdown with thousands of turns from asking more of the store at once than it answers in time.
const maxHanding = 64

// handoverFor bounds a shutdown's handover; what is not given back by then is taken over when the lease ends.
const handoverFor = 5 * time.Second

// Service accepts messages and works on conversations until Run's context ends. Accept is safe for concurrent use, also before and
// while Run runs; Run is called once.
type Service struct {
	Options
	metrics  *metrics
	dice     *rand.Rand // has no state but its source
	hints    hints
	gates    *gates
	room     room
	holdings holdings
	lines    lines
	trouble  trouble
	directs  directs
	pictures atomic.Int64    // bytes of pictures that are held
	handing  chan struct{}   // bounds how many give their conversations back at once
	leaving  context.Context // ended when a shutdown begins: nobody waits for a place here any longer
	leave    context.CancelFunc
	over     chan struct{} // closed when a shutdown's handover has taken long enough
	mu       sync.Mutex
	running  map[held]*running
	strange  map[held]bool              // conversations that could not be read, and of which that was said
	claiming map[chan struct{}]struct{} // claims under way; each is closed once what it got is in running
	wg       sync.WaitGroup
}

// held names a conversation in this process: handles are unique within a shard only.
type held struct {
	shard  Shard
	handle string
}

// running is a conversation that this process owns. lose ends all work on its message, stop only the computing of an answer.
type running struct {
	fence      int64
	lose, stop context.CancelCauseFunc
}

// Why a turn's context ended.
var (
	errLost     = errors.New("conversation: the lease ended")
	errStopped  = errors.New("conversation: stopped by the person")
	errHandover = errors.New("conversation: handed over on shutdown")
	errSuspend  = errors.New("conversation: the tenant was suspended")
	// … or its conversation was given back.
	errPostponed = errors.New("conversation: its reply is postponed")
	errUnsent    = errors.New("conversation: handed over before the part was sent")
)

// New makes a Service; it starts nothing.
func New(o Options) *Service {
	o.Turns = orDefault(o.Turns, 20000)
	o.Waiting = orDefault(o.Waiting, 100000)
	o.Lease = orDefault(o.Lease, 4*time.Second)
	o.Poll = orDefault(o.Poll, 500*time.Millisecond)
	o.Grace = orDefault(o.Grace, 20*time.Second)
	o.SendFor = orDefault(o.SendFor, sendFor)
	if o.Turn == nil {
		o.Turn = func() time.Duration { return 180 * time.Second }
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Backoff == nil {
		o.Backoff = func(try int) time.Duration { return min(500*time.Millisecond<<min(try, 6), 30*time.Second) }
	}
	if o.Forgot == nil {
		o.Forgot = func(_ context.Context, d Forgetting) { o.Log.Info("audit", d.Attrs()...) }
	}
	if o.Rand == nil {
		o.Rand = globalRand{}
	}
	s := &Service{
		Options:  o,
		metrics:  newMetrics(o.Metrics),
		dice:     rand.New(o.Rand),
		running:  map[held]*running{},
		claiming: map[chan struct{}]struct{}{},
		strange:  map[held]bool{},
		room:     room{most: o.Turns},
		handing:  make(chan struct{}, maxHanding),
		over:     make(chan struct{}),
		directs:  newDirects(),
	}
	s.metrics.most.Set(float64(o.Turns))
	s.gates = s.newGates()
	s.leaving, s.leave = context.WithCancel(context.Background())
	s.hints.wake = make(chan struct{}, 1)
	return s
}

// globalRand is the source of math/rand/v2's functions.
type globalRand struct{}

func (globalRand) Uint64() uint64 { return rand.Uint64() }

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Accept stores m in its conversation's mailbox and returns once it is durable; it implements a channel's Inbox. Duplicates and shed
// messages are no errors: the platform is answered 200, and the person gets a text. NotFound: the tenant is unknown or suspended.
func (s *Service) Accept(ctx context.Context, m chat.Message) error {
	t, ok := s.Directory.Tenant(m.Conversation.Tenant)
	if !ok || t.Suspended {
		return chat.E(chat.NotFound, "conversation.accept", nil)
	}
	ctx, span := s.Trace.Start(ctx, "accept", telemetry.Internal)
	if span.On() {
		span.Set(spanNames(m.Conversation.Tenant, m.Conversation.Channel, opaque(m.Conversation.Tenant, m.Conversation.Channel, m.Conversation.ID, m.ID))...)
	}
	m.Trace = s.Trace.Traceparent(ctx)
	began := time.Now()
	got, err := s.Store.Accept(ctx, m, AcceptOptions{
		DedupeFor:     dedupeFor,
		Waiting:       s.Waiting,
		UserPerMinute: t.Limits.UserPerMinute,
		Stop:          stops(m),
		Forget:        forgets(m),
		Merge:         merging(t, m),
	})
	s.metrics.step("accept", began)
	span.End(err)
	if err != nil {
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "failed").Inc()
		return err
	}
	switch {
	case got.Duplicate:
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "duplicate").Inc()
	case got.Ignored:
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "ignored").Inc()
	case got.Merged:
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "merged").Inc()
	case got.Shed != NotShed:
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "shed_"+string(got.Shed)).Inc()
	default:
		s.metrics.accepted.WithLabelValues(s.metrics.tenant(t.Name), "stored").Inc()
	}
	if got.Ready {
		s.hints.add(got.Shard)
	}
	return nil
}

// opaque names a conversation to servers and logs without naming a person.
func opaque(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}
