package conversation_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// busyFor refuses one tenant's turns as if all its keys were taken, and lets the model answer the others.
type busyFor struct {
	conversation.Completer
	tenant string
	mu     sync.Mutex
	asked  int
	free   bool
}

func (b *busyFor) Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error) {
	b.mu.Lock()
	busy := req.Tenant == b.tenant && !b.free
	if busy {
		b.asked++
	}
	b.mu.Unlock()
	if !busy {
		return b.Completer.Complete(ctx, req, emit)
	}
	select {
	case <-ctx.Done():
		return chat.Reply{}, chat.E(chat.Canceled, "test", ctx.Err())
	case <-time.After(20 * time.Millisecond):
		return chat.Reply{}, keysBusy
	}
}

func (b *busyFor) relieve() {
	b.mu.Lock()
	b.free = true
	b.mu.Unlock()
}

func (b *busyFor) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// Those of one tenant who wait for a key must not keep the process's places from another tenant, whose keys are free; and all are answered
// once there is a key, none of them as a further attempt.
func TestATenantThatWaitsLeavesPlacesToOthers(t *testing.T) {
	for _, places := range []int{2, 4, 40, 400} {
		t.Run(fmt.Sprint(places), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := two{newWorld(t)}
				everything := &everyPart{outlet: w.out}
				b := &busyFor{tenant: "aaa"}
				p := w.start(func(o *conversation.Options) {
					b.Completer = o.Complete
					o.Complete, o.Directory, o.Turns = b, everyTwo{w, everything}, places
				})
				people := 2 * places
				for i := range people {
					w.say(p, "aaa", fmt.Sprint("u", i), fmt.Sprint(i), "aaa")
				}
				settle(20 * time.Second)
				for i := range 3 {
					w.say(p, "zzz", fmt.Sprint("u", i), fmt.Sprint(i), "zzz")
				}
				settle(5 * time.Second)
				if got := everything.texts(); len(got) != 3 {
					t.Errorf("%d replies while aaa waits, want zzz's 3: %.200q", len(got), got)
				}
				if n := p.Running(); n == 0 || n > places {
					t.Errorf("%d conversations wait in a process with %d places", n, places)
				}
				if n, most := b.count(), 25*places+50; n > most { // each asks again after some seconds
					t.Errorf("servers were asked %d times in vain in 25 s, want at most %d", n, most)
				}
				b.relieve()
				settle(time.Minute + time.Duration(people/places)*20*time.Second)
				answered := 0
				for _, s := range everything.texts() {
					if strings.HasSuffix(s, "re: aaa (0)") {
						answered++
					}
				}
				if answered != people {
					t.Errorf("%d of %d who waited were answered", answered, people)
				}
				for _, c := range w.llm.calls {
					if c.Attempt != 1 {
						t.Fatalf("attempt %d: waiting is none", c.Attempt)
					}
				}
			})
		})
	}
}

type everyTwo struct {
	two
	out *everyPart
}

func (w everyTwo) Outlet(_, _ string) (conversation.Outlet, bool) { return w.out, true }

// A process with one tenant has nobody to leave places to.
func TestALoneTenantWaitsInAllPlaces(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(time.Hour, keysBusy)
		p := w.start(func(o *conversation.Options) { o.Turns = 40 })
		for i := range 60 {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint(i), "q")
		}
		settle(10 * time.Second)
		if n := p.Running(); n != 40 {
			t.Errorf("%d conversations wait in 40 places", n)
		}
	})
}

// Thousands who wait must not keep the servers busy with refusing them.
func TestACrowdAsksLessOften(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.until(40*time.Second, keysBusy)
		p := w.start()
		const people = 4000
		for i := range people {
			w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint(i), "q")
		}
		settle(10 * time.Second)
		before := w.llm.asked()
		settle(20 * time.Second)
		if n := w.llm.asked() - before; n > 12_000 {
			t.Errorf("asked %d times in vain in 20 s", n)
		}
		settle(40 * time.Second)
		if n := p.Running(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}
