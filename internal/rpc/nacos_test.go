package rpc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// edit changes an instance as the Nacos console does.
func edit(t *testing.T, nacos, namespace, addr, weight string, enabled bool) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	form := url.Values{
		"namespaceId": {namespace}, "serviceName": {nacosService}, "groupName": {nacosGroup}, "ip": {host}, "port": {port},
		"weight": {weight}, "enabled": {fmt.Sprint(enabled)}, "ephemeral": {"true"}, "metadata": {`{"protocol":"tri"}`},
	}
	eventually(t, "nacos takes the edit", func() bool { // it refuses for a moment after a registration
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+nacos+"/nacos/v3/admin/ns/instance", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode == http.StatusOK && strings.Contains(string(body), `"code":0`)
	})
}

type listed struct {
	IP       string            `json:"ip"`
	Port     int               `json:"port"`
	Weight   float64           `json:"weight"`
	Metadata map[string]string `json:"metadata"`
}

// list is what any Dubbo consumer would read from Nacos.
func list(t *testing.T, nacos, namespace string) []listed {
	t.Helper()
	q := url.Values{"namespaceId": {namespace}, "serviceName": {nacosService}, "groupName": {nacosGroup}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+nacos+"/nacos/v3/client/ns/instance/list?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out struct{ Data []listed }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Data
}

func TestNacosEntryIsDubbos(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	s := startServer(t, peerOptions{Nacos: nacos, Namespace: ns})
	var all []listed
	eventually(t, "nacos lists it", func() bool { all = list(t, nacos, ns); return len(all) == 1 })
	got := all[0]
	if addr := fmt.Sprintf("%s:%d", got.IP, got.Port); addr != s.addr || got.Weight != 1 {
		t.Errorf("listed as %s with weight %v, want %s with 1", addr, got.Weight, s.addr)
	}
	want := map[string]string{
		"category": "providers", "protocol": "tri", "path": serviceName, "interface": serviceName, "methods": "Complete,Inspect,Hold,Rest",
		"side": "provider", "application": "parley", "serialization": "protobuf",
	}
	for k := range got.Metadata {
		if _, ok := want[k]; !ok {
			delete(got.Metadata, k)
		}
	}
	if diff := cmp.Diff(want, got.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestNacosTellsOfServers(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	c := dialNacos(t, nacos, ns)
	<-c.Ready()
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)

	a := startServer(t, peerOptions{Nacos: nacos, Namespace: ns, Linger: linger})
	took := eventually(t, "the first server is seen", c.HasServers)
	t.Logf("seen %v after it was registered", took.Round(time.Millisecond))
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Fatal(err)
	}
	b := startServer(t, peerOptions{Nacos: nacos, Namespace: ns})
	took = eventually(t, "the second server is seen", func() bool { i := instance(c, b.addr); return i != nil && i.Up })
	t.Logf("seen %v after it was registered", took.Round(time.Millisecond))

	long, end := untilEnd(t)
	held := occupy(t, t.Context(), c, long, a.addr, b.addr)
	a.signal(syscall.SIGTERM)
	for range 50 {
		if _, err := ask(t.Context(), c, "echo"); err != nil {
			t.Fatalf("while a server leaves: %v", err)
		}
	}
	end()
	if err := held[a.addr].wait(t); err != nil {
		t.Errorf("a completion on the leaving server: %v", err)
	}
	if err := a.wait(); err != nil {
		t.Errorf("the leaving server ended with %v", err)
	}
	eventually(t, "nacos lists the other one alone", func() bool { return len(list(t, nacos, ns)) == 1 })
	eventually(t, "it is forgotten", func() bool { return instance(c, a.addr) == nil })
	r := start(t, t.Context(), c, "silent")
	r.awaitStart(t)
	b.signal(syscall.SIGKILL)
	wantKind(t, r.wait(t), chat.Unavailable)
	eventually(t, "the killed server is forgotten", func() bool { return instance(c, b.addr) == nil })
}

func TestEditsInNacosAreHonoured(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	a, b := startServer(t, peerOptions{Nacos: nacos, Namespace: ns}), startServer(t, peerOptions{Nacos: nacos, Namespace: ns})
	c := dialNacos(t, nacos, ns)
	awaitUp(t, c, a.addr, b.addr)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	occupy(t, ctx, c, "silent", a.addr, b.addr)
	gets := func() (onA, onB int) {
		beforeA, beforeB := instance(c, a.addr).Streams, instance(c, b.addr).Streams
		for range 12 {
			start(t, ctx, c, "silent").awaitStart(t)
		}
		return instance(c, a.addr).Streams - beforeA, instance(c, b.addr).Streams - beforeB
	}
	steps := []struct {
		what, weight string
		enabled      bool
		seen         func(Instance) bool
		onA          int
	}{
		{"weight 0", "0", true, func(i Instance) bool { return i.Weight == 0 }, 0},
		{"disabled", "1", false, func(i Instance) bool { return !i.Enabled }, 0},
		{"enabled", "1", true, func(i Instance) bool { return i.Enabled && i.Weight == 1 }, 12},
	}
	for _, s := range steps {
		edit(t, nacos, ns, a.addr, s.weight, s.enabled)
		took := eventually(t, s.what, func() bool { i := instance(c, a.addr); return i != nil && s.seen(*i) })
		onA, onB := gets()
		t.Logf("%s: seen after %v; of 12 new streams %d went there, %d elsewhere", s.what, took.Round(time.Millisecond), onA, onB)
		if onA != s.onA {
			t.Errorf("%s: %d of 12 new streams went there, want %d", s.what, onA, s.onA)
		}
		if i := instance(c, a.addr); i.Streams < 1 {
			t.Errorf("%s: its running stream was cut", s.what)
		}
	}
}

func TestNacosComesLater(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	g := newGate(t, nacos)
	s := startPeer(t, "server", peerOptions{Listen: "127.0.0.1:0", Nacos: g.addr, Namespace: ns}, "listening")
	direct := dialDirect(t, s.addr)
	if _, err := ask(t.Context(), direct, "echo"); err != nil {
		t.Errorf("without nacos a direct call fails: %v", err)
	}
	c := dialNacos(t, g.addr, ns)
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
	g.open()
	s.await("ready")
	eventually(t, "the server is found", c.HasServers)
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Error(err)
	}
}

func TestNacosGoesAndComesBack(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	g := newGate(t, nacos)
	g.open()
	a, b := startServer(t, peerOptions{Nacos: g.addr, Namespace: ns}), startServer(t, peerOptions{Nacos: g.addr, Namespace: ns})
	c := dialNacos(t, g.addr, ns)
	awaitUp(t, c, a.addr, b.addr)

	g.shut() // Nacos forgets the servers with their connections
	eventually(t, "nacos has forgotten them", func() bool { return len(list(t, nacos, ns)) == 0 })
	calls := func(when string) {
		t.Helper()
		for range 10 {
			if _, err := ask(t.Context(), c, "echo"); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
	}
	calls("while nacos is away")
	b.signal(syscall.SIGKILL)
	eventually(t, "the killed server is avoided", func() bool { return !instance(c, b.addr).Up })
	calls("with a server killed meanwhile")

	g.open() // and is empty at first
	for len(list(t, nacos, ns)) == 0 {
		calls("while nacos is empty")
		time.Sleep(20 * time.Millisecond)
	}
	calls("with nacos back")
	d := startServer(t, peerOptions{Nacos: g.addr, Namespace: ns})
	awaitUp(t, c, a.addr, d.addr)
}

func TestNacosOverTLS(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, err := ours.issue("nacos", loopbackServer).load()
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, nacos)
	g.tls = &tls.Config{Certificates: cert.Certificates, NextProtos: []string{"h2", "http/1.1"}}
	g.open()
	with := func(ca string) Registry {
		return Registry{Mode: ModeNacos, Nacos: Nacos{Addrs: []string{g.addr}, Namespace: ns, CA: ca}}
	}
	s := serve(t, ServerOptions{Handler: &script{}, Registry: with(ours.file)})
	<-s.Ready()
	c := dial(t, ClientOptions{Registry: with(ours.file)})
	eventually(t, "the server is found", c.HasServers)
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Error(err)
	}
	for name, ca := range map[string]string{"plaintext": "", "another authority": theirs.file} {
		c := dial(t, ClientOptions{Registry: with(ca)})
		select {
		case <-c.Ready():
			t.Errorf("%s: Nacos was believed", name)
		case <-time.After(2 * time.Second):
		}
	}
}

func TestNacosWithPassword(t *testing.T) {
	t.Parallel()
	_, ns := nacosForTest(t)
	where := strings.Split(os.Getenv("PARLEY_TEST_NACOS_AUTH"), ",")
	if len(where) != 3 {
		t.Skip("SKIPPED: PARLEY_TEST_NACOS_AUTH names no Nacos that asks for a password (host:port,user,password)")
	}
	with := func(password string) Registry {
		return Registry{Mode: ModeNacos, Nacos: Nacos{
			Addrs: where[:1], Namespace: ns, Username: where[1], Password: chat.NewSecret(password),
		}}
	}
	s := serve(t, ServerOptions{Handler: &script{}, Registry: with(where[2])})
	<-s.Ready()
	c := dial(t, ClientOptions{Registry: with(where[2])})
	eventually(t, "the server is found", c.HasServers)
	if _, err := ask(t.Context(), c, "echo"); err != nil {
		t.Error(err)
	}
	stranger := dial(t, ClientOptions{Registry: with("wrong")})
	select {
	case <-stranger.Ready():
		t.Errorf("with a wrong password it knows %v", stranger.Servers())
	case <-time.After(3 * time.Second):
	}
}

func TestTheSDKWritesNoFiles(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	s := startServer(t, peerOptions{Nacos: nacos, Namespace: ns})
	files, err := os.ReadDir(s.cmd.Dir)
	if err != nil || len(files) > 0 {
		t.Errorf("in the working directory of a server: %v, %v", files, err)
	}
	c := dialNacos(t, nacos, ns)
	eventually(t, "the server is seen", c.HasServers)
	for _, name := range []string{"log", "cache"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("the client made %q in the working directory", name)
		}
	}
}

// TestWeigh: a server that an operator takes out of use gets nothing new, what runs there ends, and it comes back.
func TestWeigh(t *testing.T) {
	t.Parallel()
	nacos, ns := nacosForTest(t)
	a, b := startServer(t, peerOptions{Nacos: nacos, Namespace: ns}), startServer(t, peerOptions{Nacos: nacos, Namespace: ns})
	c := dialNacos(t, nacos, ns)
	awaitUp(t, c, a.addr, b.addr)
	n := Nacos{Addrs: []string{"127.0.0.1:1", nacos}, Namespace: ns} // the first is down
	long, end := untilEnd(t)
	held := occupy(t, t.Context(), c, long, a.addr, b.addr)
	weigh := func(weight float64) {
		t.Helper()
		eventually(t, "nacos takes it", func() bool { // it refuses for a moment after a registration, or takes its time
			err := n.Weigh(t.Context(), a.addr, weight)
			if kind := chat.KindOf(err); err != nil && kind != chat.NotFound && kind != chat.Unavailable {
				t.Fatal(err)
			}
			return err == nil
		})
		eventually(t, "the client hears of it", func() bool { i := instance(c, a.addr); return i != nil && i.Weight == weight && i.Enabled })
	}
	weigh(0)
	for range 20 {
		if got, err := ask(t.Context(), c, "echo"); err != nil {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if i := instance(c, a.addr); i.Streams != 1 {
		t.Errorf("%d streams on a server without weight, one ran before", i.Streams)
	}
	end()
	if err := held[a.addr].wait(t); err != nil {
		t.Errorf("a completion on it: %v", err)
	}
	weigh(2)
	if err := (Nacos{Addrs: []string{"127.0.0.1:1"}}).Weigh(t.Context(), a.addr, 0); chat.KindOf(err) != chat.Unavailable {
		t.Errorf("without Nacos: %v", err)
	}
}
