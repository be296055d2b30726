package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

const testKey = "openai/0123456789abcdef"

// keeperAmong finds the node that keeps the test's key, and the others.
func keeperAmong(nodes []*node) (keeper *node, others []*node) {
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.addr)
	}
	addr := keeperOf(testKey, addrs)
	i := slices.IndexFunc(nodes, func(n *node) bool { return n.addr == addr })
	return nodes[i], slices.Delete(slices.Clone(nodes), i, i+1)
}

// Servers come, go and die, and hear of it at different moments, all within the grace: never do more calls run than may, and as many as may
// do run as soon as the servers agree.
func TestTheLimitHoldsWhateverHappensToServers(t *testing.T) {
	t.Parallel()
	const limit = 5
	addrs := []string{"10.0.0.1:20880", "10.0.0.2:20880", "10.0.0.3:20880", "10.0.0.4:20880"}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				n := newNetwork(t)
				defer n.stop()
				length := func() time.Duration { return time.Duration(1+rand.IntN(3000)) * time.Millisecond }
				alive := n.fleet(addrs...)
				work := func(nd *node) {
					for i := range 10 {
						go n.hammer(t.Context(), nd, testKey, limit, i%3 != 0, length)
					}
				}
				for _, nd := range alive {
					work(nd)
				}
				check := func(when string) {
					t.Helper()
					if most, _ := n.calls.reset(); most > limit {
						t.Fatalf("%s: %d calls ran at once, %d may", when, most, limit)
					}
					time.Sleep(defaultGrace + 5*time.Second) // the fleet agrees by now
					n.calls.reset()
					time.Sleep(5 * time.Second)
					if most, total := n.calls.reset(); most != limit || total == 0 {
						t.Fatalf("after %s: at most %d of %d calls ran at once, %d in all", when, most, limit, total)
					}
				}
				check("start")
				next := 5
				for range 6 {
					keeper, others := keeperAmong(alive)
					what, gone, leaves := "the keeper dies", keeper, false
					switch rng.IntN(4) {
					case 0:
						what, gone = "a holder dies", others[rng.IntN(len(others))]
					case 1:
						what, leaves = "the keeper leaves", true
						gone.Leave()
					case 2:
						what, gone = "a server joins", nil
					}
					now := slices.Clone(alive)
					if gone != nil {
						now = slices.DeleteFunc(now, func(nd *node) bool { return nd == gone })
						if !leaves {
							gone.die()
						}
					}
					if gone == nil || len(now) < 3 {
						what += ", one joins"
						nd := n.start(fmt.Sprintf("10.0.0.%d:20880", next))
						nd.sees(func(v *View) { v.Listed, v.Servers = true, addressesOf(now) })
						next++
						now = append(now, nd)
						work(nd)
					}
					for _, nd := range alive { // each hears of it in its own time
						if nd != gone || leaves {
							time.AfterFunc(time.Duration(rng.IntN(2500))*time.Millisecond, func() { nd.seesServers(without(addressesOf(now), nd.addr)...) })
						}
					}
					time.Sleep(4 * time.Second)
					check(what)
					if leaves {
						gone.die()
					}
					alive = now
				}
			})
		})
	}
}

func addressesOf(nodes []*node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.addr)
	}
	return out
}

// A call that runs is known to the new keeper before that lets anybody in.
func TestANewKeeperWaitsForRunningCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		keeper, others := keeperAmong(n.fleet("a:1", "b:1", "c:1"))
		defer others[1].kill()
		release := mustHold(t, others[0].Fleet, testKey, 1)
		_, err := others[1].Fleet.Hold(t.Context(), testKey, 1, false)
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)

		keeper.die()
		died := time.Now()
		for _, nd := range others {
			nd.seesServers(without(addressesOf(others), nd.addr)...)
		}
		_, err = others[1].Fleet.Hold(t.Context(), testKey, 1, false)
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
		if took := time.Since(died); took < defaultGrace || took > defaultGrace+time.Second {
			t.Errorf("who would not wait was refused after %v, want the grace of %v", took, defaultGrace)
		}
		granted := make(chan func())
		go func() { granted <- mustHold(t, others[1].Fleet, testKey, 1) }()
		synctest.Wait()
		select {
		case <-granted:
			t.Fatal("a second call began while the first one ran")
		default:
		}
		release()
		release() // does nothing
		(<-granted)()
	})
}

func TestWithoutOthersNothingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{Self: "a:1"})
		began := time.Now()
		first := mustHold(t, f, testKey, 2)
		second := mustHold(t, f, testKey, 2)
		_, err := f.Hold(t.Context(), testKey, 2, false)
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
		third := make(chan func())
		go func() { third <- mustHold(t, f, testKey, 2) }()
		synctest.Wait()
		first()
		(<-third)()
		second()
		none := mustHold(t, f, testKey, 0)
		none()
		f.Leave() // it goes on for what runs
		mustHold(t, f, testKey, 2)()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
		if f.keys() != 0 {
			t.Errorf("%d keys are still counted", f.keys())
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("a:1", "b:1", "c:1")
		release := mustHold(t, nodes[0].Fleet, testKey, 1)
		order := make(chan int, 12)
		for i := range cap(order) {
			go func() {
				done := mustHold(t, nodes[i%3].Fleet, testKey, 1)
				order <- i
				time.Sleep(time.Second)
				done()
			}()
			time.Sleep(10 * time.Millisecond)
		}
		release()
		for want := range cap(order) {
			if got := <-order; got != want {
				t.Errorf("call %d came before %d", got, want)
			}
		}
	})
}

func TestWhoGivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		keeper, others := keeperAmong(n.fleet("a:1", "b:1"))
		defer others[0].kill()
		for name, f := range map[string]*Fleet{"the keeper itself": keeper.Fleet, "another": others[0].Fleet} {
			release := mustHold(t, f, testKey, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := f.Hold(ctx, testKey, 1, true)
			wantCode(t, err, chat.Timeout, "")
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err = f.Hold(ctx, testKey, 1, true)
			wantCode(t, err, chat.Canceled, "")
			release()
			again, err := f.Hold(t.Context(), testKey, 1, true)
			if err != nil {
				t.Fatalf("%s: who gave up is counted: %v", name, err)
			}
			again()
			time.Sleep(time.Second)
			if got := keeper.keys(); got != 0 {
				t.Errorf("%s: %d keys are still counted", name, got)
			}
		}
	})
}

// The context of the asking ends before the call does: it stays counted.
func TestACallOutlivesItsAsking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		keeper, others := keeperAmong(n.fleet("a:1", "b:1"))
		defer others[0].kill()
		ctx, cancel := context.WithCancel(t.Context())
		release, err := others[0].Fleet.Hold(ctx, testKey, 1, true)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Second)
		_, err = keeper.Fleet.Hold(t.Context(), testKey, 1, false)
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
		release()
		time.Sleep(time.Second)
		again, err := keeper.Fleet.Hold(t.Context(), testKey, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		again()
	})
}

func TestTheNewestLimitWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		nodes := n.fleet("a:1", "b:1")
		var all []func()
		for range 3 {
			all = append(all, mustHold(t, nodes[0].Fleet, testKey, 3))
		}
		_, err := nodes[1].Fleet.Hold(t.Context(), testKey, 2, false)
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
		all[0]()
		time.Sleep(time.Second)
		_, err = nodes[1].Fleet.Hold(t.Context(), testKey, 2, false) // two run
		wantCode(t, err, chat.Overloaded, chat.CodeKeysBusy)
		more, err := nodes[1].Fleet.Hold(t.Context(), testKey, 4, false)
		if err != nil {
			t.Fatal(err)
		}
		more()
		for _, r := range all {
			r()
		}
	})
}

// A process that others took for dead may not let calls in by what it remembers.
func TestAfterStandingStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		defer n.stop()
		keeper, others := keeperAmong(n.fleet("a:1", "b:1"))
		defer others[0].kill()
		mustHold(t, keeper.Fleet, testKey, 1)()
		keeper.Fleet.mu.Lock()
		keeper.seen = time.Now().Add(-2 * standstill)
		keeper.Fleet.mu.Unlock()
		began := time.Now()
		mustHold(t, others[0].Fleet, testKey, 1)()
		if took := time.Since(began); took < defaultGrace {
			t.Errorf("it let a call in after %v, want the grace of %v", took, defaultGrace)
		}
	})
}
