package llm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

func TestLocalFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLocal()
		hold := func(wait bool) (func(), error) { return f.Hold(t.Context(), "p/k", 2, wait) }
		first, err1 := hold(false)
		second, err2 := hold(true)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if _, err := hold(false); !isBusy(err) {
			t.Errorf("a third call at once: %v", err)
		}
		if other, err := f.Hold(t.Context(), "p/other", 1, false); err != nil {
			t.Errorf("another key: %v", err)
		} else {
			other()
		}
		var order []int
		var releases []func()
		for i := range 3 {
			go func() {
				release, err := hold(true)
				if err != nil {
					t.Error(err)
					return
				}
				order, releases = append(order, i), append(releases, release)
			}()
			synctest.Wait()
		}
		first()
		first() // once is enough, twice does no harm
		synctest.Wait()
		if _, err := hold(false); !isBusy(err) {
			t.Errorf("a newcomer goes before those who wait: %v", err)
		}
		second()
		synctest.Wait()
		releases[0]()
		synctest.Wait()
		if diff := cmp.Diff([]int{0, 1, 2}, order); diff != "" {
			t.Error("not first come first served", diff)
		}
		releases[1]()
		releases[2]()
		if len(f.keys) != 0 {
			t.Errorf("%d idle keys are remembered", len(f.keys))
		}
	})
}

func TestLocalFleetForgetsWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLocal()
		release, _ := f.Hold(t.Context(), "k", 1, false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Hold(ctx, "k", 1, true); chat.KindOf(err) != chat.Timeout {
			t.Errorf("got %v", err)
		}
		// A higher limit of a newer table is held back by nobody who is gone.
		more, err := f.Hold(t.Context(), "k", 2, false)
		if err != nil {
			t.Fatal(err)
		}
		more()
		release()
		if len(f.keys) != 0 {
			t.Error("the key is remembered")
		}
	})
}

// While a table with another limit takes over, calls of both stand in one line.
func TestLocalFleetWithTwoLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLocal()
		one, _ := f.Hold(t.Context(), "k", 2, false)
		two, _ := f.Hold(t.Context(), "k", 2, false)
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = f.Hold(ctx, "k", 2, true) }()
		synctest.Wait()
		if _, err := f.Hold(t.Context(), "k", 5, false); !isBusy(err) {
			t.Errorf("a newcomer goes before who waits: %v", err)
		}
		granted := make(chan func(), 1)
		go func() {
			release, _ := f.Hold(t.Context(), "k", 5, true)
			granted <- release
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		select {
		case three := <-granted:
			three()
		default:
			t.Error("who stood behind one that left still waits")
		}
		one()
		two()
	})
}

// The limit holds, nobody is lost, and nothing is remembered, whoever waits, leaves or stays.
func TestLocalFleetConcurrently(t *testing.T) {
	const limit = 3
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newLocal()
				var running, most atomic.Int32
				var wg sync.WaitGroup
				for i := range 100 {
					wg.Go(func() {
						r := rand.New(rand.NewPCG(seed, uint64(i)))
						time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(500))*time.Millisecond)
						defer cancel()
						release, err := f.Hold(ctx, "k", limit, r.IntN(3) > 0)
						if err != nil {
							return
						}
						for n := running.Add(1); ; {
							if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
								break
							}
						}
						time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
						running.Add(-1)
						release()
					})
				}
				wg.Wait()
				if most.Load() != limit {
					t.Errorf("%d calls at once, want %d", most.Load(), limit)
				}
				if len(f.keys) != 0 {
					t.Error("an idle key is remembered")
				}
			})
		})
	}
}
