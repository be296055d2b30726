package conversation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/memstore"
	"parley/internal/telemetry"
)

// world is one tenant with any number of client processes over one store, inside a synctest bubble.
type world struct {
	t      *testing.T
	store  *memstore.Store
	tenant chat.Tenant
	now    atomic.Pointer[chat.Tenant]
	out    *outlet
	way    conversation.Outlet // out, if nil
	llm    *model
	n      int
}

func newWorld(t *testing.T) *world {
	return &world{
		t:     t,
		store: memstore.New(time.Now),
		tenant: chat.Tenant{
			Name: "acme", Model: "chat", System: "be brief",
			History: chat.HistoryLimits{Turns: 20, Bytes: 64 << 10, TTL: 30 * time.Minute},
			Limits:  chat.TenantLimits{MaxWait: 5 * time.Minute, MaxInput: 100},
		},
		out: &outlet{resend: time.Hour},
		llm: &model{delay: time.Second},
	}
}

func (w *world) Tenant(name string) (*chat.Tenant, bool) {
	if t := w.now.Load(); t != nil {
		return t, name == t.Name
	}
	return &w.tenant, name == w.tenant.Name
}

// swap puts another form of the tenant's document in force while processes run.
func (w *world) swap(t chat.Tenant) { w.now.Store(&t) }

func (w *world) Tenants() []string      { return []string{w.tenant.Name} }
func (w *world) Models(string) []string { return []string{"chat", "deep"} }
func (w *world) Outlet(_, channel string) (conversation.Outlet, bool) {
	if w.way != nil {
		return w.way, channel == "app"
	}
	return w.out, channel == "app"
}

// process is one client service that can be killed: from then on nothing it does has any effect or any answer.
type process struct {
	*conversation.Service
	store *killable
	stop  func() // SIGTERM, and wait
}

func (w *world) start(change ...func(*conversation.Options)) *process {
	k := &killable{Store: w.store, dead: make(chan struct{})}
	w.n++
	o := conversation.Options{
		Store: k, Complete: w.llm.in(k), Directory: w, Owner: fmt.Sprint("process-", w.n),
		Log: telemetry.Discard().Log, Metrics: prometheus.NewRegistry(), Lease: 4 * time.Second, Grace: 5 * time.Second,
	}
	for _, f := range change {
		f(&o)
	}
	s := conversation.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	p := &process{Service: s, store: k, stop: func() { cancel(); <-done }}
	w.t.Cleanup(func() { k.revive(); p.stop(); p.Settle() })
	return p
}

func (w *world) say(p *process, id, text string) {
	w.t.Helper()
	w.post(p, chat.Message{ID: id, Kind: chat.KindText, Text: text})
}

func (w *world) post(p *process, m chat.Message) {
	w.t.Helper()
	m.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "zhang"}
	m.User = "zhang"
	if err := p.Accept(context.Background(), m); err != nil {
		w.t.Fatalf("accept %s: %v", m.ID, err)
	}
}

func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// killable stands between a process and the world. Once killed, every call blocks until the test ends.
type killable struct {
	conversation.Store
	mu      sync.Mutex
	at      string // kill when this step is reached
	after   bool   // … and has been done
	dead    chan struct{}
	revived chan struct{}
	killed  bool
}

// reach is called at each step; it kills if this is the step.
func (k *killable) reach(step string, after bool) {
	k.mu.Lock()
	if k.at == step && k.after == after && !k.killed {
		k.killed = true
		close(k.dead)
	}
	if !k.killed {
		k.mu.Unlock()
		return
	}
	if k.revived == nil {
		k.revived = make(chan struct{})
	}
	ch := k.revived
	k.mu.Unlock()
	<-ch
}

func (k *killable) kill(step string, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.after = step, after
}

// revive lets blocked calls return at the end of a test, so that the bubble ends.
func (k *killable) revive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.killed {
		k.killed, k.at = false, ""
		if k.revived != nil {
			close(k.revived)
			k.revived = nil
		}
	}
}

func guard[T any](k *killable, step string, f func() (T, error)) (T, error) {
	k.reach(step, false)
	v, err := f()
	k.reach(step, true)
	return v, err
}

func (k *killable) Claim(ctx context.Context, s []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	k.reach("idle", false)
	cs, err := k.Store.Claim(ctx, s, owner, n, o)
	if len(cs) > 0 {
		k.reach("claim", true)
	}
	return cs, err
}

func (k *killable) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, l time.Duration,
) (map[string]conversation.Seated, error) {
	return guard(k, "seat", func() (map[string]conversation.Seated, error) { return k.Store.Seat(ctx, owner, asks, l) })
}

func (k *killable) Look(ctx context.Context, s []conversation.Shard) ([]conversation.Found, error) {
	return guard(k, "look", func() ([]conversation.Found, error) { return k.Store.Look(ctx, s) })
}

func (k *killable) Renew(ctx context.Context, owner string, s []conversation.Shard, l time.Duration) (conversation.Renewed, error) {
	return guard(k, "renew", func() (conversation.Renewed, error) { return k.Store.Renew(ctx, owner, s, l) })
}

func (k *killable) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	return guard(k, "commit", func() (conversation.Next, error) { return k.Store.Commit(ctx, c, o) })
}

func (k *killable) Delivered(ctx context.Context, c conversation.Claim, part int, o conversation.ClaimOptions) (conversation.Next, error) {
	return guard(k, "delivered", func() (conversation.Next, error) { return k.Store.Delivered(ctx, c, part, o) })
}

func (k *killable) Reap(ctx context.Context, s []conversation.Shard) (int, error) {
	return guard(k, "reap", func() (int, error) { return k.Store.Reap(ctx, s) })
}

// outlet shows parts to a person; like WeCom it swallows a request that it has seen.
type outlet struct {
	mu     sync.Mutex
	shown  []string
	seen   map[string]bool
	resend time.Duration
	live   time.Duration
	pace   chat.Pace
	size   int
	fail   func(try int) error
	tries  int
}

type part struct {
	Unique int64
	No     int
	Text   string
}

func (o *outlet) Parts(_ chat.Message, text string, unique int64) ([]chat.Part, error) {
	size := o.size
	if size == 0 {
		size = 1 << 20
	}
	var out []chat.Part
	for no := 0; len(text) > 0; no++ {
		n := min(size, len(text))
		b, err := json.Marshal(part{unique, no, text[:n]})
		if err != nil {
			return nil, err
		}
		out, text = append(out, b), text[n:]
	}
	return out, nil
}

func (o *outlet) Send(ctx context.Context, _ chat.Message, p chat.Part) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if o.fail != nil {
		if err := o.fail(o.tries); err != nil {
			return err
		}
	}
	var v part
	if err := json.Unmarshal(p, &v); err != nil {
		return err
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	if !o.seen[string(p)] {
		o.seen[string(p)] = true
		o.shown = append(o.shown, v.Text)
	}
	return ctx.Err()
}

func (o *outlet) Resendable(age time.Duration) bool { return age < o.resend }
func (o *outlet) Live() time.Duration               { return o.live }
func (o *outlet) Pace() chat.Pace                   { return o.pace }

func (o *outlet) texts() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.shown...)
}

// model answers "re: <question> (<turns of history>)" after a delay.
type model struct {
	mu    sync.Mutex
	delay time.Duration
	calls []chat.Request
	fail  func(call int) error
	chunk string // a delta before the delay
	cost  func(call int) []chat.Spend
	usage chat.Usage // of each reply
	quiet bool       // refuses before it starts
}

type completer struct {
	*model
	k *killable
}

func (m *model) in(k *killable) conversation.Completer { return completer{m, k} }

func (c completer) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	c.k.reach("complete", false)
	c.mu.Lock()
	c.calls = append(c.calls, req)
	n, fail, chunk, cost, quiet := len(c.calls), c.fail, c.chunk, c.cost, c.quiet
	c.mu.Unlock()
	if !quiet || fail == nil {
		emit(chat.Event{Kind: chat.Started, Start: chat.Start{Provider: "sim", Model: "m"}})
	}
	if chunk != "" {
		emit(chat.Event{Kind: chat.Delta, Text: chunk})
	}
	if cost != nil {
		for _, s := range cost(n) {
			emit(chat.Event{Kind: chat.Spent, Spend: s})
		}
	}
	select {
	case <-ctx.Done():
		return chat.Reply{}, chat.E(chat.KindOf(ctx.Err()), "test.complete", ctx.Err())
	case <-time.After(c.delay):
	}
	if fail != nil {
		if err := fail(n); err != nil {
			return chat.Reply{}, err
		}
	}
	c.k.reach("answered", false)
	return chat.Reply{
		Start: chat.Start{Provider: "sim", Model: "m"}, Text: fmt.Sprintf("re: %s (%d)", req.Question, len(req.History)), FinishReason: "stop", Usage: c.usage,
	}, nil
}

func (m *model) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}
