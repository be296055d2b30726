package conversation_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// meter counts the calls that run at once over all processes, a killed one's apart.
type meter struct {
	mu        sync.Mutex
	now, most int
}

type metered struct {
	conversation.Completer
	*meter
	k *killable
}

func (m *meter) in(o *conversation.Options) {
	o.Complete = metered{o.Complete, m, o.Store.(*killable)}
}

func (m metered) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	m.add(1)
	over := sync.OnceFunc(func() { m.add(-1) })
	defer over()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-m.k.dead: // what a dead process asked for does not count
			over()
		case <-ended:
		}
	}()
	return m.Completer.Complete(ctx, req, emit)
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += n
	m.most = max(m.most, m.now)
}

func (m *meter) state() (now, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now, m.most
}

// seated is a world whose tenant has so many seats.
func seated(t *testing.T, limit int) (*world, *meter) {
	w := newWorld(t)
	w.tenant.Limits.TurnsInFlight = limit
	return w, &meter{}
}

// However conversations lie in shards, exactly as many turns run at once as the tenant may have, over all processes, while there is work.
func TestTurnsInFlightHoldOverProcesses(t *testing.T) {
	for _, limit := range []int{1, 2, 5, 10, 17, 40} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, m := seated(t, limit)
				ps := []*process{w.start(m.in), w.start(m.in)}
				n := 20 * limit
				for i := range n {
					w.sayAs(ps[i%2], fmt.Sprint("u", i), fmt.Sprint(i), "q")
				}
				settle(26 * time.Second) // 20 s, were a place never free
				if _, most := m.state(); most != limit || w.llm.asked() != n {
					t.Errorf("%d of %d asked, %d at once, want %d", w.llm.asked(), n, most, limit)
				}
			})
		})
	}
}

// Two conversations of one shard need not wait for each other.
func TestSeatsAreOfNoShard(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, m := seated(t, 10)
		p, q := w.start(m.in), w.start(m.in)
		shard := conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: "u"})
		for i, n := 0, 0; n < 10; i++ {
			if user := fmt.Sprint("u", i); conversation.ShardOf(chat.ConversationKey{Tenant: "acme", Channel: "app", ID: user}) == shard {
				w.sayAs([]*process{p, q}[n%2], user, fmt.Sprint(i), "q")
				n++
			}
		}
		settle(900 * time.Millisecond)
		if now, most := m.state(); now != 10 || most != 10 {
			t.Errorf("%d of 10 conversations of one shard are answered at once, at most %d", now, most)
		}
	})
}

// resting is a process's store in which it finds nothing more from some time on.
type resting struct {
	*killable
	done atomic.Bool
}

func (r *resting) Claim(ctx context.Context, s []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	if r.done.Load() {
		return nil, nil
	}
	return r.killable.Claim(ctx, s, owner, n, o)
}

func (r *resting) Look(ctx context.Context, s []conversation.Shard) ([]conversation.Found, error) {
	if r.done.Load() {
		return nil, nil
	}
	return r.killable.Look(ctx, s)
}

// Seats that a process does not need are soon another's: at once where nobody has a free one, else within a few renewals.
func TestNoProcessKeepsSeatsFromAnother(t *testing.T) {
	for _, limit := range []int{1, 5, 40, 1000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, m := seated(t, limit)
				r := &resting{}
				p := w.start(m.in, func(o *conversation.Options) { r.killable = o.Store.(*killable); o.Store = r })
				q := w.start(m.in)
				for i := range min(limit, 40) {
					w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("u", i), "q")
				}
				settle(1100 * time.Millisecond)
				r.done.Store(true)
				settle(4 * time.Second)
				w.llm.delay = time.Minute
				for i := range limit {
					w.sayAs(q, fmt.Sprint("v", i), fmt.Sprint("v", i), "q")
				}
				settle(time.Second)
				if now, most := m.state(); now != limit || most != limit {
					t.Errorf("%d of the other process's turns run, at most %d did, want %d", now, most, limit)
				}
			})
		})
	}
}

// The seats of a killed process are another's soon after its conversations are, and never before.
func TestSeatsOfADeadProcessAreTakenOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const limit = 3
		w, m := seated(t, limit)
		w.llm.delay = 2300 * time.Millisecond // not when leases are renewed
		p := w.start(m.in)
		for i := range limit {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint(i), "q")
		}
		settle(time.Second)
		q := w.start(m.in)
		for i := range 2 * limit {
			w.sayAs(q, fmt.Sprint("v", i), fmt.Sprint("v", i), "q")
		}
		p.store.kill("answered", false)
		settle(2 * time.Second)
		if now, _ := m.state(); now != 0 {
			t.Fatalf("%d turns run while a dead process holds all seats", now)
		}
		settle(6 * time.Second) // a lease and three eighths, a look for the dead, a sweep
		if now, most := m.state(); now != limit || most != limit {
			t.Errorf("%d run now, %d did at most, want %d", now, most, limit)
		}
		settle(10 * time.Second)
		if _, most := m.state(); w.llm.asked() != 4*limit || most != limit {
			t.Errorf("asked %d times, %d at once, want %d, of which the dead process asked %d", w.llm.asked(), most, 4*limit, limit)
		}
	})
}

// sluggish is a process's store that answers late when it is asked for seats, or not at all.
type sluggish struct {
	*killable
	late atomic.Int64 // ns
	away atomic.Bool
}

func (s *sluggish) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, l time.Duration,
) (map[string]conversation.Seated, error) {
	if s.away.Load() {
		return nil, chat.E(chat.Unavailable, "test.seat", nil)
	}
	got, err := s.killable.Seat(ctx, owner, asks, l)
	time.Sleep(time.Duration(s.late.Load()))
	return got, err
}

func (s *sluggish) in(o *conversation.Options) {
	s.killable = o.Store.(*killable)
	o.Store = s
}

// What a process gives back is not sat in while the store is told.
func TestLateAnswersGiveNoSeatAway(t *testing.T) {
	const limit = 10
	for at := time.Second; at < 5*time.Second; at += time.Second { // at one of these renewals p gives back what it does not need
		inBubble(t, func(t *testing.T) {
			w, m := seated(t, limit)
			late := &sluggish{}
			p, q := w.start(m.in, late.in), w.start(m.in)
			for i := range 6 {
				w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("u", i), "q")
			}
			settle(at - 20*time.Millisecond)
			late.late.Store(int64(900 * time.Millisecond))
			settle(100 * time.Millisecond)
			w.llm.mu.Lock()
			w.llm.delay = 20 * time.Second
			w.llm.mu.Unlock()
			w.sayAs(p, "w", "w", "q")
			settle(time.Millisecond)
			for i := range limit {
				w.sayAs(q, fmt.Sprint("v", i), fmt.Sprint("v", i), "q")
			}
			settle(10 * time.Second)
			if now, most := m.state(); now != limit || most != limit {
				t.Errorf("after %v: %d at once, %d at most, want %d", at, now, most, limit)
			}
		})
	}
}

// A process that cannot keep the lease of its seats lets no more turns begin; those that run go on.
func TestNoTurnBeginsOnAnOldSeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, m := seated(t, 20)
		w.llm.delay = 5 * time.Second
		slow := &sluggish{}
		p := w.start(m.in, slow.in)
		w.sayAs(p, "u", "1", "q")
		settle(time.Second / 2)
		slow.away.Store(true)
		settle(3 * time.Second)
		w.sayAs(p, "v", "2", "q")
		settle(5 * time.Second)
		if n, shown := w.llm.asked(), len(w.out.texts()); n != 1 || shown != 1 {
			t.Errorf("%d turns began and %d ended, want 1", n, shown)
		}
		slow.away.Store(false)
		settle(time.Second)
		if n := w.llm.asked(); n != 2 {
			t.Errorf("%d turns began once the store was back, want 2", n)
		}
	})
}

// A lowered limit is kept as turns end; a raised one and none at all are used at once.
func TestLimitChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, m := seated(t, 20)
		ps := []*process{w.start(m.in), w.start(m.in)}
		for i := range 400 {
			w.sayAs(ps[i%2], fmt.Sprint("u", i), fmt.Sprint(i), "q")
		}
		settle(3 * time.Second)
		for _, limit := range []int{4, 30} {
			now := w.tenant
			now.Limits.TurnsInFlight = limit
			w.swap(now)
			settle(1500 * time.Millisecond)
			m.mu.Lock()
			m.most = m.now
			m.mu.Unlock()
			settle(2 * time.Second)
			if _, most := m.state(); most != limit {
				t.Errorf("limit %d: %d at once", limit, most)
			}
		}
		now := w.tenant
		now.Limits.TurnsInFlight = 0
		w.swap(now)
		settle(time.Second)
		if _, most := m.state(); w.llm.asked() != 400 || most < 100 {
			t.Errorf("no limit: %d at once, %d of 400 asked in all", most, w.llm.asked())
		}
	})
}

// A lowered limit is kept soon also where each turn that ends is followed by another at once: programs ask without a pause.
func TestALoweredLimitIsKeptUnderLoad(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, m := seated(t, 20)
		w.llm.delay = 300 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 2 {
			p := w.start(m.in)
			for range 12 {
				go func() {
					for ctx.Err() == nil {
						_, _, _ = p.ask(ctx, want("q"))
					}
				}()
			}
		}
		settle(3 * time.Second)
		now := w.tenant
		now.Limits.TurnsInFlight = 3
		w.swap(now)
		settle(5 * time.Second)
		m.mu.Lock()
		m.most = m.now
		m.mu.Unlock()
		asked := w.llm.asked()
		settle(20 * time.Second)
		if _, most := m.state(); most != 3 {
			t.Errorf("%d at once, want 3", most)
		}
		if n := w.llm.asked() - asked; n < 100 { // of 200
			t.Errorf("%d turns in 20 s", n)
		}
	})
}

// tallied counts a process's calls of the store.
type tallied struct {
	*killable
	mu    sync.Mutex
	calls map[string]int
}

func (c *tallied) count(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[op]++
}

func (c *tallied) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, l time.Duration,
) (map[string]conversation.Seated, error) {
	c.count("seat")
	return c.killable.Seat(ctx, owner, asks, l)
}

func (c *tallied) Look(ctx context.Context, s []conversation.Shard) ([]conversation.Found, error) {
	c.count("look")
	return c.killable.Look(ctx, s)
}

func (c *tallied) Claim(ctx context.Context, s []conversation.Shard, owner string, n int, o conversation.ClaimOptions) ([]conversation.Claim, error) {
	c.count("claim")
	return c.killable.Claim(ctx, s, owner, n, o)
}

// Far below its limit a tenant's turns cost the store one call each to begin, as without one.
func TestSeatsCostNothingFarBelowTheLimit(t *testing.T) {
	for _, limit := range []int{0, 5000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w, m := seated(t, limit)
				var c *tallied
				p := w.start(m.in, func(o *conversation.Options) {
					c = &tallied{killable: o.Store.(*killable), calls: map[string]int{}}
					o.Store = c
				})
				settle(10 * time.Second)
				if c.calls["seat"] > 0 {
					t.Errorf("%d asks for seats while nothing happens", c.calls["seat"])
				}
				clear(c.calls)
				const turns = 1000
				for i := range turns { // 50 a second
					w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint(i), "q")
					settle(20 * time.Millisecond)
				}
				settle(2 * time.Second)
				sweeps := 2 * 22
				if n := c.calls["claim"] + c.calls["look"] - sweeps; n > turns*101/100 || w.llm.asked() != turns {
					t.Errorf("%v: %d calls for %d of %d turns besides the sweeps'", c.calls, n, w.llm.asked(), turns)
				}
				if renewals := 22; c.calls["seat"] > renewals+10 {
					t.Errorf("%d asks for seats in %d s", c.calls["seat"], renewals)
				}
				t.Logf("%d turns: %v", turns, c.calls)
			})
		})
	}
}
