package rpc

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// doorman answers for keys as the key's name says: "open", "busy", "elsewhere", "mute".
type doorman struct {
	mu     sync.Mutex
	asks   []KeyAsk
	rests  []KeyRest
	inside int
	ended  chan error // why holds ended
}

func newDoorman() *doorman { return &doorman{ended: make(chan error, 1000)} }

func (d *doorman) Hold(ctx context.Context, ask KeyAsk, granted func() error) error {
	d.mu.Lock()
	d.asks = append(d.asks, ask)
	d.mu.Unlock()
	switch ask.Key {
	case "busy":
		return &chat.Error{Kind: chat.Overloaded, Op: "fleet.hold", Code: chat.CodeKeysBusy}
	case "elsewhere":
		return &chat.Error{Kind: chat.Unavailable, Op: "fleet.keep", Code: "not_keeper"}
	case "open":
		if err := granted(); err != nil {
			return err
		}
	}
	d.enter(1)
	defer d.enter(-1)
	<-ctx.Done()
	d.ended <- context.Cause(ctx)
	return ctx.Err()
}

func (d *doorman) enter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside += n
}

func (d *doorman) held() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inside
}

func (d *doorman) Rest(r KeyRest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rests = append(d.rests, r)
	if r.Kind == chat.Internal {
		return chat.E(chat.Invalid, "fleet.rest", nil)
	}
	return nil
}

// attempt is a hold that a test asked for.
type attempt struct {
	granted chan struct{}
	ended   chan error
	cancel  context.CancelFunc
}

func attemptHold(t testing.TB, c *Client, addr string, ask KeyAsk) *attempt {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	a := &attempt{granted: make(chan struct{}), ended: make(chan error, 1), cancel: cancel}
	go func() { a.ended <- c.Hold(ctx, addr, ask, func() { close(a.granted) }) }()
	return a
}

func (a *attempt) awaitGrant(t testing.TB) {
	t.Helper()
	select {
	case <-a.granted:
	case err := <-a.ended:
		t.Fatalf("refused: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("not granted")
	}
}

func (a *attempt) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-a.ended:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the hold did not end")
		return nil
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	d := newDoorman()
	s := serve(t, ServerOptions{Handler: &script{}, Keys: d})
	c := dialDirect(t, s.Addr())
	ask := KeyAsk{Key: "open", Limit: 7, Running: true, Try: true}
	held := attemptHold(t, c, s.Addr(), ask)
	held.awaitGrant(t)
	if diff := cmp.Diff([]KeyAsk{ask}, d.asks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	held.cancel()
	wantKind(t, held.wait(t), chat.Canceled)
	<-d.ended // the server hears of it

	for key, want := range map[string]struct {
		kind chat.Kind
		code string
	}{"busy": {chat.Overloaded, chat.CodeKeysBusy}, "elsewhere": {chat.Unavailable, "not_keeper"}} {
		err := attemptHold(t, c, s.Addr(), KeyAsk{Key: key, Limit: 1}).wait(t)
		wantKind(t, err, want.kind)
		if got := codeOfError(err); got != want.code {
			t.Errorf("%s: code %q, want %q", key, got, want.code)
		}
	}
	if !instance(c, s.Addr()).Up {
		t.Error("a server that refuses a hold is taken for dead")
	}
	waiting := attemptHold(t, c, s.Addr(), KeyAsk{Key: "mute", Limit: 1})
	eventually(t, "it waits", func() bool { return d.held() == 1 })
	waiting.cancel()
	wantKind(t, waiting.wait(t), chat.Canceled)
	<-d.ended
	wantKind(t, attemptHold(t, c, "127.0.0.1:1", ask).wait(t), chat.Unavailable)
}

// A server is found by whatever its address looks like.
func TestHoldByEveryAddress(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"IPv6": "[::1]:0", "a name": "localhost:0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lis, err := net.Listen("tcp", listen)
			if err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			_, port, _ := net.SplitHostPort(lis.Addr().String())
			_ = lis.Close()
			host, _, _ := net.SplitHostPort(listen)
			addr := net.JoinHostPort(host, port)
			serve(t, ServerOptions{Handler: &script{}, Keys: newDoorman(), Listen: addr, Advertise: addr})
			c := dial(t, ClientOptions{Self: "127.0.0.1:9", Registry: Registry{Mode: ModeDirect, Direct: []string{addr}}})
			eventually(t, "it is up", func() bool { up := c.Peers().Up; return len(up) == 1 && up[0] == addr })
			attemptHold(t, c, addr, KeyAsk{Key: "open", Limit: 1}).awaitGrant(t)
			self := dial(t, ClientOptions{Self: addr, Registry: Registry{Mode: ModeDirect, Direct: []string{addr}}})
			if p := self.Peers(); !p.Listed || p.Known != 0 {
				t.Errorf("it does not know itself: %+v", p)
			}
		})
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	d := newDoorman()
	s := serve(t, ServerOptions{Handler: &script{}, Keys: d})
	c := dialDirect(t, s.Addr())
	want := KeyRest{Key: "openai/0123", For: 1500 * time.Millisecond, Kind: chat.RateLimited, Code: "rate_limit_exceeded"}
	if err := c.Rest(t.Context(), s.Addr(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]KeyRest{want}, d.rests); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantKind(t, c.Rest(t.Context(), s.Addr(), KeyRest{Key: "k"}), chat.Invalid)
	wantKind(t, c.Rest(t.Context(), "127.0.0.1:1", want), chat.Unavailable)
}

// A server of an older release, or another make, knows no such method.
func TestAServerWithoutKeys(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	old := startPeer(t, "stock-server", peerOptions{Listen: freePort(t)}, "listening")
	c := dialDirect(t, s.Addr(), old.addr)
	for _, addr := range []string{s.Addr(), old.addr} {
		wantKind(t, attemptHold(t, c, addr, KeyAsk{Key: "open", Limit: 1}).wait(t), chat.NotFound)
		wantKind(t, c.Rest(t.Context(), addr, KeyRest{Key: "k", For: time.Second}), chat.NotFound)
	}
}

func asServer(c *x509.Certificate) {
	loopbackServer(c)
	c.URIs = append(c.URIs, &url.URL{Scheme: "parley", Host: "server"})
}

func TestOnlyServersAskAboutKeys(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	d := newDoorman()
	s := serve(t, ServerOptions{Handler: &script{}, Keys: d, TLS: a.issue("server", loopbackServer)})
	uri := func(u url.URL) func(*x509.Certificate) { return func(c *x509.Certificate) { c.URIs = []*url.URL{&u} } }
	tests := map[string]struct {
		change func(*x509.Certificate)
		ok     bool
	}{
		"a server":                  {asServer, true},
		"a server, with a slash":    {uri(url.URL{Scheme: "parley", Host: "server", Path: "/"}), true},
		"a client of every tenant":  {tenants("*"), false},
		"a tenant named server":     {tenants("server"), false},
		"a server of something":     {uri(url.URL{Scheme: "parley", Host: "server", Path: "/acme"}), false},
		"a server of another thing": {uri(url.URL{Scheme: "https", Host: "server"}), false},
		"a server without a name":   {loopbackServer, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, ClientOptions{TLS: a.issue(name, tt.change), Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
			awaitUp(t, c, s.Addr())
			if barred := c.Barred(); (barred == nil) != tt.ok {
				t.Errorf("it thinks it is barred: %v", barred)
			}
			held := attemptHold(t, c, s.Addr(), KeyAsk{Key: "open", Limit: 1})
			rested := c.Rest(t.Context(), s.Addr(), KeyRest{Key: "k", For: time.Second, Kind: chat.RateLimited})
			if tt.ok {
				held.awaitGrant(t)
				if rested != nil {
					t.Error(rested)
				}
				return
			}
			wantKind(t, held.wait(t), chat.Forbidden)
			wantKind(t, rested, chat.Forbidden)
		})
	}
	if err := dialDirect(t, serve(t, ServerOptions{Handler: &script{}}).Addr()).Barred(); err != nil {
		t.Errorf("in plaintext nobody is checked: %v", err)
	}
}

func TestADeadHolderLosesItsHolds(t *testing.T) {
	t.Parallel()
	d := newDoorman()
	s := serve(t, ServerOptions{Handler: &script{}, Keys: d})
	holder := startPeer(t, "holder", peerOptions{Target: s.Addr()}, "holding")
	eventually(t, "it holds", func() bool { return d.held() == 1 })
	killed := time.Now()
	holder.signal(syscall.SIGKILL)
	<-d.ended
	t.Logf("the keeper knows %v after the kill", time.Since(killed).Round(10*time.Microsecond))
}

func runHolder(o peerOptions) error {
	c, err := Dial(ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: []string{o.Target}}})
	if err != nil {
		return err
	}
	return c.Hold(context.Background(), o.Target, KeyAsk{Key: "open", Limit: 1}, func() { fmt.Println("holding") })
}

func TestADeadKeeperEndsItsHolds(t *testing.T) {
	t.Parallel()
	keeper := startPeer(t, "keeper", peerOptions{Listen: "127.0.0.1:0"}, "listening")
	c := dialDirect(t, keeper.addr)
	held := attemptHold(t, c, keeper.addr, KeyAsk{Key: "open", Limit: 1})
	held.awaitGrant(t)
	changed := c.Changed()
	keeper.signal(syscall.SIGKILL)
	wantKind(t, held.wait(t), chat.Unavailable)
	<-changed
	if got := c.Peers().Up; len(got) != 0 {
		t.Errorf("the dead keeper counts as up: %v", got)
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	a, b := serve(t, ServerOptions{Handler: &script{}}), serve(t, ServerOptions{Handler: &script{}})
	down := freePort(t)
	addrs := []string{a.Addr(), b.Addr(), down}
	c := dial(t, ClientOptions{Self: a.Addr(), Registry: Registry{Mode: ModeDirect, Direct: addrs}})
	eventually(t, "all have been looked at", func() bool { p := c.Peers(); return p.Settled && len(p.Up) > 0 })
	if diff := cmp.Diff(Peers{Settled: true, Up: []string{b.Addr()}, Known: 2, Listed: true}, c.Peers()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	changed := c.Changed()
	serve(t, ServerOptions{Handler: &script{}, Listen: down})
	eventually(t, "the third one is up", func() bool { return len(c.Peers().Up) == 2 })
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	if instance(c, a.Addr()) != nil {
		t.Error("it would call itself")
	}
	stranger := dial(t, ClientOptions{Self: "127.0.0.1:9", Registry: Registry{Mode: ModeDirect, Direct: addrs}})
	if stranger.Peers().Listed {
		t.Error("it is not in the list, and counts as listed")
	}
}

func TestPeersInNacos(t *testing.T) {
	t.Parallel()
	nacos, namespace := nacosForTest(t)
	o := peerOptions{Nacos: nacos, Namespace: namespace}
	a, b := startServer(t, o), startServer(t, o)
	reg := o.registry()
	c := dial(t, ClientOptions{Self: a.addr, Registry: reg})
	eventually(t, "both are seen", func() bool {
		p := c.Peers()
		return p.Settled && p.Listed && len(p.Up) == 1 && p.Up[0] == b.addr
	})
	a.signal(syscall.SIGTERM)
	eventually(t, "it is not listed any more", func() bool { return !c.Peers().Listed })
}
