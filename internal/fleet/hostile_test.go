package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// Servers that others know by other names than their own keep nothing, and nobody can ask them: all count alone, and but for the first search no
// call waits for that.
func TestServersThatDoNotKnowTheirNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("10.0.0.1:1", "10.0.0.2:1")
		n.mu.Lock()
		for i, nd := range nodes { // the list names them, and each finds itself in it
			n.nodes[fmt.Sprintf("server-%d:1", i)] = nd
		}
		n.mu.Unlock()
		for _, nd := range nodes {
			nd.sees(func(v *View) { *v = View{Settled: true, Servers: []string{"server-0:1", "server-1:1"}, Known: 2} })
		}
		time.Sleep(time.Second)
		mustHold(t, nodes[0].Fleet, testKey, 3)()
		for range 600 {
			began := time.Now()
			mustHold(t, nodes[0].Fleet, testKey, 3)()
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Fatalf("a call waits %v for a server that cannot be asked", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// A keeper that cannot be asked is not flooded with the calls that run meanwhile.
func TestDeclaringIsPatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		keeper, others := keeperAmong(n.fleet("a:1", "b:1"))
		nd := others[0]
		time.Sleep(defaultGrace)
		release := mustHold(t, nd.Fleet, testKey, 10)
		defer release()
		nd.cut(keeper.addr, errNotKeeper())
		nd.asks.Store(0)
		keeper.Fleet.mu.Lock()
		keeper.kept.lose(func(string) bool { return true }, errNotKeeper())
		keeper.Fleet.mu.Unlock()
		time.Sleep(time.Minute)
		if got := nd.asks.Load(); got > 70 {
			t.Errorf("one call was declared %d times in a minute", got)
		}
		nd.cut(keeper.addr, nil)
		time.Sleep(askMost + 100*time.Millisecond)
		if keeper.keys() != 1 {
			t.Error("the call is not counted again")
		}
	})
}

// Whatever servers see of each other, whoever gives up and when: in the end nobody counts or waits for anything.
func TestStorm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				defer n.stop()
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(seed, 5))
				roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
				addrs := []string{"a:1", "b:1", "c:1", "d:1"}
				nodes := n.fleet(addrs...)
				var wg sync.WaitGroup
				for range 1500 {
					wg.Go(func() {
						time.Sleep(time.Duration(roll(40_000)) * time.Millisecond)
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(8000))*time.Millisecond)
						defer cancel()
						release, err := nodes[roll(4)].Fleet.Hold(ctx, fmt.Sprint("p/", roll(5)), roll(6), roll(2) == 0)
						if err != nil {
							return
						}
						if roll(3) > 0 {
							time.Sleep(time.Duration(roll(3000)) * time.Millisecond)
						}
						release()
						if roll(5) == 0 {
							release()
						}
					})
				}
				for range 60 {
					nd := nodes[roll(4)]
					switch other := addrs[roll(4)]; {
					case other == nd.addr:
						nd.sees(func(v *View) { v.Listed = !v.Listed })
					case roll(3) == 0:
						nd.cut(other, []error{nil, errGone(), chat.E(chat.NotFound, "test", nil), chat.E(chat.Forbidden, "test", nil)}[roll(4)])
					default:
						nd.seesServers(without(without(addrs, nd.addr), other)...)
					}
					time.Sleep(time.Duration(roll(1500)) * time.Millisecond)
				}
				wg.Wait()
				time.Sleep(time.Minute)
				for _, nd := range nodes {
					nd.Fleet.mu.Lock()
					if nd.kept.queued+nd.alone.queued+len(nd.kept.lines)+len(nd.alone.lines)+len(nd.holds) > 0 {
						t.Errorf("%s keeps %d and %d keys, %d calls", nd.addr, len(nd.kept.lines), len(nd.alone.lines), len(nd.holds))
					}
					nd.Fleet.mu.Unlock()
					for _, m := range []string{"parley_fleet_holds", "parley_fleet_waiting"} {
						if got := nd.metric(t, m); got != 0 {
							t.Errorf("%s: %s is %v", nd.addr, m, got)
						}
					}
				}
			})
		})
	}
}
