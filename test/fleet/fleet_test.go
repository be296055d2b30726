package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/rpc"
	"parley/test/rig"
)

const (
	limit   = 5
	callers = 40
)

// One server that no other can know has no peers, and no time to lose.
func TestOneKeyOfOneServer(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func() time.Duration { return time.Duration(20+mathrand.IntN(400)) * time.Millisecond })
	s := &setting{t: t, provider: p, registry: "{mode: direct}", dir: t.TempDir(), limit: limit}
	srv := s.start("s1", freeAddr(t))
	c, err := rpc.Dial(rpc.ClientOptions{Registry: rpc.Registry{Mode: rpc.ModeDirect, Direct: []string{srv.addr}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	hammer(t, c)
	s.eventually("as many calls run as may", func() bool { return p.peek() == limit })
	time.Sleep(2 * time.Second)
	if f := p.look(); f.most != limit {
		t.Errorf("%d calls ran at once, %d may", f.most, limit)
	}
}

func TestOneKeyOverServers(t *testing.T) {
	t.Parallel()
	t.Run("in a list", func(t *testing.T) {
		t.Parallel()
		var addrs []string
		for range 4 {
			addrs = append(addrs, freeAddr(t))
		}
		crashes(t, fmt.Sprintf("{mode: direct, direct: [%s]}", strings.Join(addrs, ", ")), rpc.Registry{Mode: rpc.ModeDirect, Direct: addrs}, addrs)
	})
	t.Run("in nacos", func(t *testing.T) {
		t.Parallel()
		nacos := rig.Need(t)
		namespace := "parley-test-" + strings.ToLower(rand.Text()[:12])
		var addrs []string
		for range 4 {
			addrs = append(addrs, freeAddr(t))
		}
		crashes(t, fmt.Sprintf("{mode: nacos, nacos: {addrs: [%s], namespace: %s}}", nacos, namespace),
			rpc.Registry{Mode: rpc.ModeNacos, Nacos: rpc.Nacos{Addrs: []string{nacos}, Namespace: namespace}}, addrs)
	})
}

// crashes has many callers ask four servers all the time, and kills, ends and starts servers meanwhile.
func crashes(t *testing.T, registry string, clients rpc.Registry, addrs []string) {
	p := newProvider(t, func() time.Duration { return time.Duration(20+mathrand.IntN(400)) * time.Millisecond })
	s := &setting{t: t, provider: p, registry: registry, dir: t.TempDir(), limit: limit}
	servers := make([]*server, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs { // at the same moment, as after an outage
		wg.Go(func() { servers[i] = s.start(fmt.Sprintf("s%d", i+1), addr) })
	}
	wg.Wait()
	c, err := rpc.Dial(rpc.ClientOptions{Registry: clients})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s.eventually("the servers are seen", func() bool { return c.HasServers() })
	answered := hammer(t, c)

	check := func(what string) {
		t.Helper()
		began := time.Now()
		for settled := 0; settled < 2; {
			time.Sleep(2 * time.Second)
			f := p.look()
			t.Logf("%s, %2.0f s: at most %d at once, %3d calls, %v the longest without a new one; %d answered",
				what, time.Since(began).Seconds(), f.most, f.total, f.pause.Round(10*time.Millisecond), answered.Load())
			switch {
			case f.most > limit:
				t.Fatalf("%s: %d calls ran at once, %d may", what, f.most, limit)
			case f.most == limit:
				settled++
			case time.Since(began) > time.Minute:
				t.Fatalf("%s: %d calls may run at once, and not more than %d do", what, limit, f.most)
			}
		}
	}
	check("all start")
	rested(t, p)
	check("after the rest")
	keeper := keeperOf(t, servers)
	holder := servers[(keeper+1)%4]
	s.kill(holder)
	check("a holder is killed")
	s.kill(servers[keeper])
	check("the keeper is killed")
	live := []*server{servers[(keeper+2)%4], servers[(keeper+3)%4]}
	live = append(live, s.start("again", servers[keeper].addr))
	check("a server comes back")
	hung := live[keeperOf(t, live)]
	if err := hung.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	check("the keeper hangs")
	if err := hung.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	check("it goes on")
	last := live[keeperOf(t, live)]
	if err := last.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	check("the keeper leaves")
	for _, srv := range live {
		if n := srv.metric("parley_fleet_alone_total"); n > 0 {
			t.Errorf("%s counted %v calls alone", srv.name, n)
		}
	}
}

// rested refuses one call: then no server calls with the key until the provider's time is over.
func rested(t *testing.T, p *provider) {
	t.Helper()
	p.refuse()
	time.Sleep(restFor / 3) // all have heard of it, and what ran has ended
	p.look()
	time.Sleep(restFor / 3)
	if f := p.look(); f.total != 0 {
		t.Errorf("%d calls were made with a key that rests", f.total)
	}
}

// keeperOf is the server that counts the calls.
func keeperOf(t *testing.T, servers []*server) int {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		for i, srv := range servers {
			if srv.metric("parley_fleet_holds") > 0 {
				return i
			}
		}
	}
	t.Fatal("nobody keeps the key")
	return 0
}

// hammer asks all the time, until the test ends.
func hammer(t *testing.T, c *rpc.Client) *atomic.Int64 {
	ctx, cancel := context.WithCancel(context.Background())
	var answered atomic.Int64
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	for i := range callers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := c.Complete(ctx, chat.Request{
					Tenant: "acme", Conversation: fmt.Sprint(i), Turn: fmt.Sprintf("%d-%d", i, n), Model: "chat", Question: "hello", Deltas: true,
				}, func(chat.Event) {})
				switch e, ok := errors.AsType[*chat.Error](err); {
				case err == nil:
					answered.Add(1)
				case ctx.Err() != nil:
				case ok && (e.Code == chat.CodeKeysBusy || e.Code == chat.CodeInstance || e.Code == chat.CodeNoInstance):
					time.Sleep(20 * time.Millisecond)
				default:
					t.Errorf("a caller got: %v", err)
					time.Sleep(time.Second)
				}
			}
		})
	}
	return &answered
}
