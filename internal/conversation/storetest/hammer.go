package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// hammer is a world in which owners crash, pause and lose answers while messages keep coming.
type hammer struct {
	*env
	keys []chat.ConversationKey
	left atomic.Int64 // messages not yet finished

	mu   sync.Mutex
	done map[string]map[int64]bool // step of a message -> fences under which it was acknowledged
	paid map[int64]bool            // fences whose spending was told to the store, in whichever way
}

const (
	hammerConvs    = 6
	hammerMessages = 25
	hammerOwners   = 5
)

// testHammer checks, under every interleaving that a run meets, that each message is committed once, in its conversation's order.
func testHammer(e *env) {
	h := &hammer{env: e, done: map[string]map[int64]bool{}, paid: map[int64]bool{}}
	h.keys = sameShard(hammerConvs)
	h.left.Store(hammerConvs * hammerMessages)
	e.keep = conversation.Keep{Turns: 10 * hammerMessages, TTL: 10000 * time.Hour}
	seed := uint64(time.Now().UnixNano())
	e.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i, key := range h.keys {
		wg.Go(func() { h.write(key, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	for i := range hammerOwners {
		wg.Go(func() { h.own(i, rand.New(rand.NewPCG(seed, uint64(100+i)))) })
	}
	done := make(chan struct{})
	reaper := make(chan struct{})
	go func() {
		defer close(reaper)
		for {
			select {
			case <-done:
				return
			case <-time.After(3 * time.Millisecond):
				e.h.Advance(lease / 3) // owners that do not renew lose their lease
				if _, err := e.s.Reap(e.ctx, []conversation.Shard{conversation.ShardOf(zhang)}); err != nil {
					e.Errorf("reap: %v", err)
				}
			}
		}
	}()
	wg.Wait()
	close(done)
	<-reaper
	h.check()
}

// write delivers each message between one and three times.
func (h *hammer) write(key chat.ConversationKey, r *rand.Rand) {
	for i := range hammerMessages {
		m := message(key, fmt.Sprintf("%s/%03d", key.ID, i))
		for range 1 + r.IntN(3) {
			if _, err := h.s.Accept(h.ctx, m, conversation.AcceptOptions{DedupeFor: 100000 * time.Hour}); err != nil {
				h.Errorf("accept: %v", err)
			}
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// own is a process that lives, dies and starts again under a new name until all is done.
func (h *hammer) own(i int, r *rand.Rand) {
	began := time.Now()
	for life := 0; h.left.Load() > 0 && h.ctx.Err() == nil && !h.Failed(); life++ {
		if time.Since(began) > 2*time.Minute {
			h.Errorf("%d messages are still not answered", h.left.Load())
			return
		}
		owner := fmt.Sprintf("owner-%d-%d", i, life)
		for steps := 1 + r.IntN(30); steps > 0 && h.left.Load() > 0; steps-- {
			cs, err := h.s.Claim(h.ctx, []conversation.Shard{conversation.ShardOf(zhang)}, owner, 1+r.IntN(2), claimOptions)
			if err != nil {
				h.Errorf("claim: %v", err)
				return
			}
			if len(cs) == 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			for _, c := range cs {
				for next := &c; next != nil; {
					next = h.turn(*next, r)
				}
			}
		}
	}
}

// turn works on one message; it gives up at random places, as a crash does.
func (h *hammer) turn(c conversation.Claim, r *rand.Rand) *conversation.Claim {
	crash := func() bool { return r.IntN(12) == 0 }
	if crash() {
		return nil
	}
	if r.IntN(20) == 0 {
		_ = h.s.Release(h.ctx, c)
		return nil
	}
	from := 0
	if c.Unfinished != nil {
		from = c.Unfinished.Next
	} else {
		o := h.outcome(c, 2)
		o.Turn.Answer = fmt.Sprintf("%s by fence %d", c.Message.ID, c.Fence)
		o.User, o.Spent = c.Key.ID, hammerSpend()
		h.pays(c)
		if r.IntN(8) == 0 { // handed over, or thought to be
			h.tell(c)
		}
		defer h.tell(c)
		if !h.again(c, "commit", r, func() error { _, err := h.s.Commit(h.ctx, c, o); return err }) {
			return nil
		}
	}
	for part := from; part < 2; part++ {
		if crash() {
			return nil
		}
		if r.IntN(12) == 0 {
			_ = h.s.Postpone(h.ctx, c, conversation.Postponement{For: time.Duration(r.IntN(10)) * time.Second})
			return nil
		}
		var next conversation.Next
		step := fmt.Sprint("part ", part)
		if !h.again(c, step, r, func() (err error) { next, err = h.s.Delivered(h.ctx, c, part, claimOptions); return err }) {
			return nil
		}
		if part == 1 {
			return next.Claim
		}
	}
	return nil
}

func hammerSpend() []chat.Spend { return []chat.Spend{spend("openai", "gpt-4o", 3, 2)} }

func (h *hammer) pays(c conversation.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paid[c.Fence] = true
}

// tell counts what a claim spent, whatever became of its commit.
func (h *hammer) tell(c conversation.Claim) {
	if err := h.s.Spend(h.ctx, c, c.Key.ID, hammerSpend()); err != nil {
		h.Errorf("spend: %v", err)
	}
}

// spent is what the store has counted, over all the days that the case lasts by the store's clock.
func (h *hammer) spent(last conversation.Day) (t conversation.Tokens) {
	for d := last - 30; d <= last+1; d++ {
		reported, _ := h.usage("acme", d).Total()
		t = t.Plus(reported)
	}
	return t
}

// again does a step and sometimes repeats it, as if its answer had been lost. It reports whether the conversation is still the owner's.
func (h *hammer) again(c conversation.Claim, step string, r *rand.Rand, do func() error) bool {
	for {
		err := do()
		switch {
		case errors.Is(err, conversation.ErrFenced):
			return false
		case err != nil:
			h.Errorf("%s: %v", step, err)
			return false
		}
		h.acknowledged(c, step)
		if r.IntN(3) > 0 {
			return true
		}
	}
}

func (h *hammer) acknowledged(c conversation.Claim, step string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	step = c.Message.ID + " " + step
	if h.done[step] == nil {
		h.done[step] = map[int64]bool{}
		if strings.HasSuffix(step, " part 1") {
			h.left.Add(-1)
		}
	}
	h.done[step][c.Fence] = true
}

func (h *hammer) check() {
	for _, key := range h.keys {
		h.put(message(key, key.ID+"/look"), conversation.AcceptOptions{})
	}
	cs := h.claims("inspector", zhang, 100)
	if len(cs) != len(h.keys) {
		h.Fatalf("%d conversations at the end, want %d", len(cs), len(h.keys))
	}
	n := len(h.paid)
	h.same("spent", h.spent(h.today(cs[0])), conversation.Tokens{Calls: n, Input: 3 * n, Cached: n, Output: 2 * n})
	for _, c := range cs {
		var want []string
		for i := range hammerMessages {
			want = append(want, fmt.Sprintf("%s/%03d", c.Key.ID, i))
		}
		var asked []string
		for _, t := range c.History {
			asked = append(asked, t.Question[len("text of "):])
		}
		h.same("history of "+c.Key.ID, asked, want)
	}
	for step, fences := range h.done {
		if len(fences) != 1 {
			h.Errorf("%s was acknowledged under %d fences", step, len(fences))
		}
	}
	if want := 3 * hammerConvs * hammerMessages; len(h.done) != want {
		h.Errorf("%d steps were acknowledged, want %d", len(h.done), want)
	}
	if s := h.stats(); s.Waiting != len(h.keys) || s.Running != len(h.keys) || s.Ready != 0 {
		h.Errorf("stats at the end: %+v", s)
	}
}
