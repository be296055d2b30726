package app

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
)

type countingRunner struct {
	channel.Channel
	running *atomic.Int32
}

func (c countingRunner) Run(ctx context.Context) {
	c.running.Add(1)
	<-ctx.Done()
	c.running.Add(-1)
}

func TestRunners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		company := func(suspended bool) (*wire.Company, *atomic.Int32) {
			n := new(atomic.Int32)
			return &wire.Company{
				Tenant:   &chat.Tenant{Name: "acme", Suspended: suspended},
				Channels: map[string]channel.Channel{"a": countingRunner{running: n}, "b": countingRunner{running: n}},
			}, n
		}
		want := func(when string, n *atomic.Int32, want int32) {
			t.Helper()
			synctest.Wait()
			if got := n.Load(); got != want {
				t.Errorf("%s: %d run, want %d", when, got, want)
			}
		}
		r := newRunners()
		first, a := company(false)
		r.swap("acme", first)
		want("before messages can be accepted", a, 0)

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.run(ctx) }()
		want("then", a, 2)
		if list := told(t, r); len(list) != 2 || list[0] != "parley_channel_fetching{channel=a,tenant=acme} 1" {
			t.Errorf("told: %v", list)
		}

		second, b := company(false)
		r.swap("acme", second)
		want("the new document's", b, 2)
		want("and for a while the old one's", a, 2)
		time.Sleep(runnerOverlap)
		want("and no longer", a, 0)

		suspended, c := company(true)
		r.swap("acme", suspended)
		time.Sleep(runnerOverlap)
		want("a suspended tenant's", c, 0)
		want("and what it had before", b, 0)
		if list := told(t, r); len(list) != 0 {
			t.Errorf("told of a suspended tenant: %v", list)
		}

		third, d := company(false)
		r.swap("acme", third)
		want("restored", d, 2)
		cancel()
		<-ended
		want("in the end", d, 0)
	})
}
