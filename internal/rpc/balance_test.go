package rpc

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/registry"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// pretend makes a pool whose members exist on paper only: their ports are closed, and their state is what the test says.
func pretend(t testing.TB, weights ...float64) (*pool, []*member) {
	t.Helper()
	tel := telemetry.Discard()
	install(tel.Log)
	creds, _ := TLS{}.credentials(nil)
	p := newPool(creds, true, tel.Log, newClientMetrics(tel.Metrics))
	t.Cleanup(p.Destroy)
	var members []*member
	for i, w := range weights {
		m := &member{addr: fmt.Sprintf("127.0.0.1:%d", i+1), pool: p, nudge: make(chan struct{}, 1), gone: make(chan struct{})}
		m.life.Store(newLifetime())
		event := instanceEvent("127.0.0.1", fmt.Sprint(i+1), nil)
		event.Service.SetAttribute(attrMember, m)
		m.invoker = base.NewBaseInvoker(event.Service)
		m.conn, _ = connect(m.addr, creds)
		m.setWeight(w)
		m.listed.Store(true)
		m.state.Store(up)
		p.members[m.addr] = m
		members = append(members, m)
	}
	p.rebuild()
	return p, members
}

func TestLeastStreamsByWeight(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		weights []float64
		calls   int
		want    []int64
	}{
		"equal weights":    {[]float64{1, 1, 1}, 30, []int64{10, 10, 10}},
		"twice the weight": {[]float64{1, 2}, 30, []int64{10, 20}},
		"a small weight":   {[]float64{0.5, 1, 1}, 50, []int64{10, 20, 20}},
		"weight 0":         {[]float64{1, 0}, 10, []int64{10, 0}},
		"dubbo's 100":      {[]float64{100, 100}, 10, []int64{5, 5}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, members := pretend(t, tt.weights...)
			for range tt.calls {
				memberOf(leastStreams{}.Select(p.List(nil), nil)).streams.Add(1)
			}
			for i, m := range members {
				if got := m.streams.Load(); got < tt.want[i]-1 || got > tt.want[i]+1 {
					t.Errorf("instance %d runs %d streams, want %d", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestEqualInstancesTakeTurns(t *testing.T) {
	t.Parallel()
	p, _ := pretend(t, 1, 1, 1)
	seen := map[string]bool{}
	for range 200 {
		seen[memberOf(leastStreams{}.Select(p.List(nil), nil)).addr] = true
	}
	if len(seen) != 3 {
		t.Errorf("at rest, only %v get turns", seen)
	}
}

func TestAFullInstanceIsPassedOver(t *testing.T) {
	t.Parallel()
	p, members := pretend(t, 1, 1)
	full := &chat.Error{Kind: chat.Overloaded, Op: "x", Code: chat.CodeInstance}
	members[0].judge(full)
	members[1].streams.Add(100)
	if m := memberOf(leastStreams{}.Select(p.List(nil), nil)); m != members[1] {
		t.Error("the full instance is asked again at once")
	}
	members[1].judge(full)
	if m := memberOf(leastStreams{}.Select(p.List(nil), nil)); m != members[0] {
		t.Error("when all are full, the least loaded is not the one asked")
	}
}

// What a provider, or a key, has no room for says nothing of the instance that asked it: its neighbours would ask the same one.
func TestOnlyAnInstancesOwnLoadCounts(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"", "engine_overloaded", chat.CodeKeysBusy} {
		_, members := pretend(t, 1, 1)
		members[0].judge(&chat.Error{Kind: chat.Overloaded, Op: "x", Code: code})
		if members[0].busy.Load() != 0 {
			t.Errorf("an instance is passed over for an overload of code %q", code)
		}
	}
}

func TestWhoMayBeCalled(t *testing.T) {
	t.Parallel()
	p, members := pretend(t, 1, 1, 1)
	list := func() int {
		p.mu.Lock()
		p.rebuild()
		p.mu.Unlock()
		return len(p.List(nil))
	}
	steps := []struct {
		what   string
		change func()
		want   int
	}{
		{"all up", func() {}, 3},
		{"one down", func() { members[0].state.Store(down) }, 2},
		{"one disabled", func() { members[1].listed.Store(false) }, 1},
		{"one of weight 0", func() { members[2].setWeight(0) }, 0},
		{"one not yet probed, and nobody else", func() { members[0].state.Store(unproved) }, 1},
		{"one up makes the unproved wait", func() { members[1].listed.Store(true) }, 1},
	}
	for _, s := range steps {
		s.change()
		if got := list(); got != s.want {
			t.Errorf("%s: %d may be called, want %d", s.what, got, s.want)
		}
	}
}

func TestNobodyToCallSaysWhy(t *testing.T) {
	t.Parallel()
	p, members := pretend(t, 1, 1)
	members[0].state.Store(down)
	members[1].listed.Store(false)
	p.mu.Lock()
	p.rebuild()
	p.mu.Unlock()
	err := oneTry{}.Join(p).Invoke(context.Background(), call(methodComplete, constant.CallServerStream)).Error()
	wantKind(t, err, chat.Unavailable)
	const want = "rpc.balance: unavailable no_instance: no server to answer: 2 known, of these 1 not answering, 0 of another protocol and 1 disabled or of weight 0"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestSpreadOfRunningStreams(t *testing.T) {
	t.Parallel()
	var addrs []string
	for range 3 {
		addrs = append(addrs, serve(t, ServerOptions{Handler: &script{}}).Addr())
	}
	c := dialDirect(t, addrs...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 30 {
		start(t, ctx, c, "silent").awaitStart(t)
	}
	for _, i := range c.Servers() {
		if i.Streams != 10 {
			t.Errorf("%s runs %d of 30 streams", i.Address, i.Streams)
		}
	}
}

func TestAnInstanceThatLeavesTheRegistryKeepsItsStreams(t *testing.T) {
	t.Parallel()
	stays, leaves := serve(t, ServerOptions{Handler: &script{}}), serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, leaves.Addr())
	long, end := untilEnd(t)
	r := start(t, t.Context(), c, long)
	r.awaitStart(t)
	c.pool.NotifyAll(events(t, stays.Addr()), func() {})
	awaitUp(t, c, stays.Addr())
	for range 5 {
		if _, err := ask(t.Context(), c, "echo"); err != nil {
			t.Fatal(err)
		}
	}
	if i := instance(c, leaves.Addr()); i == nil || i.Enabled || i.Streams != 1 {
		t.Errorf("the one that left: %+v", i)
	}
	end()
	if err := r.wait(t); err != nil {
		t.Errorf("its stream: %v", err)
	}
	c.pool.NotifyAll(events(t, leaves.Addr()), func() {}) // and it may come back
	awaitUp(t, c, leaves.Addr())
}

func TestADeadInstanceThatLeftIsForgotten(t *testing.T) {
	t.Parallel()
	gone := freePort(t)
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dial(t, ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: []string{gone, s.Addr()}}})
	awaitUp(t, c, s.Addr())
	c.pool.NotifyAll(events(t, s.Addr()), func() {})
	eventually(t, "it is forgotten", func() bool { return instance(c, gone) == nil })
}

func events(t *testing.T, addrs ...string) []*registry.ServiceEvent {
	t.Helper()
	s, err := newStatic(addrs)
	if err != nil {
		t.Fatal(err)
	}
	return s.events
}

func TestCloseEndsWhatRuns(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dialDirect(t, s.Addr())
	r := start(t, t.Context(), c, "silent")
	r.awaitStart(t)
	_ = c.Close()
	if err := r.wait(t); err == nil {
		t.Error("a completion outlived its client")
	}
	eventually(t, "the server sees it", func() bool { return s.Streams() == 0 })
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
	_ = c.Close()
}

func TestAServerThatComesLaterIsUsed(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	c := dial(t, ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: []string{addr}}})
	eventually(t, "it is found down", func() bool { return c.pool.members[addr].state.Load() == down })
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
	serve(t, ServerOptions{Handler: &script{}, Listen: addr})
	took := eventually(t, "it is up", func() bool { return c.HasServers() })
	t.Logf("used %v after its start", took.Round(time.Millisecond))
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Error(err)
	}
}
