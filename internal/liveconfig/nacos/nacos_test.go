package nacos_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/nacos"
)

// server is the real Nacos that the tests run against.
func server(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("PARLEY_TEST_NACOS")
	if addr == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PARLEY_TEST_NACOS is not set: these tests need a real Nacos (make test starts one)")
		}
		t.Skip("PARLEY_TEST_NACOS is not set: NOT tested against a real Nacos; set it to host:port, or run make test")
	}
	return addr
}

// open makes a source in a group of its own, so that tests do not meet, and removes its documents at the end.
func open(t *testing.T, addr string, names ...string) *nacos.Source {
	t.Helper()
	s, err := nacos.New(nacos.Options{Addrs: []string{addr}, Group: group(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func group(t *testing.T) string {
	return fmt.Sprintf("PARLEY-TEST-%d-%s", os.Getpid(), strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()))
}

func publish(t *testing.T, s *nacos.Source, name, content string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		old, exists, err := s.Get(ctx, name)
		if err == nil {
			if !exists {
				old = nil
			}
			err = s.Publish(ctx, name, []byte(content), old)
		}
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("cannot publish: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Delete(ctx, name)
	})
}

// watch makes a value whose documents are good unless they begin with "bad".
func watch(t *testing.T, s liveconfig.Source, name string) *liveconfig.Value[string] {
	t.Helper()
	v := liveconfig.New(liveconfig.Options[string]{Name: name, Source: s, Decode: func(d liveconfig.Document) (string, error) {
		if strings.HasPrefix(string(d.Content), "bad") {
			return "", errors.New("faulty")
		}
		return string(d.Content), nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return v
}

func until(t *testing.T, what string, good func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !good() {
		if time.Since(start) > time.Minute {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

func is(v *liveconfig.Value[string], want string) func() bool {
	return func() bool { got, _ := v.Get(); return got == want }
}

func TestDocument(t *testing.T) {
	s := open(t, server(t))
	v := watch(t, s, "doc")
	until(t, "known to be missing", func() bool { return v.Health().Missing })
	if _, ok := v.Get(); ok {
		t.Fatal("a document that does not exist has a value")
	}
	publish(t, s, "doc", "one")
	t.Logf("created after the start: in force after %v", until(t, "one", is(v, "one")))
	publish(t, s, "doc", "two")
	t.Logf("changed in the first seconds: %v", until(t, "two", is(v, "two")))
	time.Sleep(7 * time.Second) // past the SDK's tick and the fast reads: from here on the push must do it
	publish(t, s, "doc", "three")
	t.Logf("pushed: %v", until(t, "three", is(v, "three")))

	publish(t, s, "doc", "bad")
	until(t, "refused", func() bool { return v.Health().Refused != nil })
	if got, _ := v.Get(); got != "three" || v.Health().Revision != liveconfig.Revision([]byte("three")) {
		t.Errorf("after a faulty form %q is in force", got)
	}
	publish(t, s, "doc", "four")
	until(t, "four", is(v, "four"))
	if h := v.Health(); h.Refused != nil {
		t.Errorf("still refused: %v", h.Refused)
	}
	if err := s.Delete(t.Context(), "doc"); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed: seen after %v", until(t, "missing", func() bool { return v.Health().Missing }))
	if got, _ := v.Get(); got != "four" {
		t.Errorf("after the removal %q is in force", got)
	}
	publish(t, s, "doc", "four")
	until(t, "back", func() bool { return !v.Health().Missing })
}

// TestSecondDocument watches as a server does: the second document from the moment that the first is known, which is when the SDK loses listeners.
func TestSecondDocument(t *testing.T) {
	s := open(t, server(t))
	publish(t, s, "first", "one")
	elsewhere := open(t, server(t)) // so that the watching client does not learn of a change from its own reads
	publish(t, elsewhere, "second", "zero")
	first := watch(t, s, "first")
	until(t, "one", is(first, "one"))
	second := watch(t, s, "second")
	time.Sleep(8 * time.Second) // past the fast reads, and past the SDK's next tick
	for _, content := range []string{"one", "two", "three"} {
		publish(t, elsewhere, "second", content)
		took := until(t, content, is(second, content))
		t.Logf("%s: in force %v after it could be read", content, took)
		if took > 10*time.Second { // a second is the promise; 13 s is what lost pushes cost
			t.Errorf("%s was seen after %v", content, took)
		}
	}
}

func TestPublish(t *testing.T) {
	s := open(t, server(t))
	ctx := t.Context()
	publish(t, s, "doc", "one")
	for _, tc := range []struct {
		name         string
		doc          string
		content, old []byte
		conflict     bool
		err          bool
	}{
		{"create what exists", "doc", []byte("x"), nil, true, false},
		{"replace another form", "doc", []byte("x"), []byte("zero"), true, false},
		{"replace", "doc", []byte("two"), []byte("one"), false, false},
		{"replace what is gone by now", "doc", []byte("x"), []byte("one"), true, false},
		{"empty", "doc", nil, []byte("two"), false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := s.Publish(ctx, tc.doc, tc.content, tc.old)
			if errors.Is(err, liveconfig.ErrConflict) != tc.conflict || (err != nil) != (tc.conflict || tc.err) {
				t.Errorf("got %v", err)
			}
		})
	}
	if got, _, err := s.Get(ctx, "doc"); err != nil || string(got) != "two" {
		t.Errorf("it holds %q, %v", got, err)
	}
	if err := s.Publish(ctx, "created", []byte("x"), nil); err != nil {
		t.Errorf("create: %v", err)
	}
	if err := s.Publish(ctx, "absent", []byte("x"), []byte("y")); !errors.Is(err, liveconfig.ErrConflict) {
		t.Errorf("replace what does not exist: %v", err)
	}
	for _, name := range []string{"created", "absent"} {
		if err := s.Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

// TestPublishRace lets many writers append to one document by compare and set: no line may be lost.
func TestPublishRace(t *testing.T) {
	s := open(t, server(t))
	publish(t, s, "doc", "start\n")
	var wg sync.WaitGroup
	const writers = 5
	for i := range writers {
		wg.Go(func() {
			for {
				old, _, err := s.Get(t.Context(), "doc")
				if err == nil {
					err = s.Publish(t.Context(), "doc", fmt.Appendf(old, "%d\n", i), old)
				}
				if err == nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	got, _, err := s.Get(t.Context(), "doc")
	if err != nil {
		t.Fatal(err)
	}
	for i := range writers { // twice is no loss: a publication whose answer came too late was made, and is repeated
		if !strings.Contains(string(got), fmt.Sprintf("\n%d\n", i)) {
			t.Errorf("line %d is lost: %q", i, got)
		}
	}
}

func TestList(t *testing.T) {
	s := open(t, server(t))
	for _, name := range []string{"tenant.b", "tenant.a", "tenantx", "other", "Tenant.c"} {
		publish(t, s, name, "x")
	}
	got, err := s.List(t.Context(), "tenant.")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tenant.a", "tenant.b"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := s.List(t.Context(), "nothing."); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSet(t *testing.T) {
	s := open(t, server(t))
	publish(t, s, "tenant.acme", "one")
	set := liveconfig.NewSet(liveconfig.SetOptions[string]{Prefix: "tenant.", Source: s, Every: 200 * time.Millisecond,
		Decode: func(d liveconfig.Document) (string, error) { return string(d.Content), nil }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = set.Run(ctx) }()
	defer func() { cancel(); <-done }()
	if err := set.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	publish(t, s, "tenant.globex", "two")
	until(t, "a new tenant is served", func() bool { return cmp.Equal(set.All(), map[string]string{"acme": "one", "globex": "two"}) })
}

// elsewhere runs the test again without the race detector, if there is one, and reports whether it did: the SDK replaces its connection
// without a lock when it connects again.
func elsewhere(t *testing.T) bool {
	t.Helper()
	if !raceDetector {
		return false
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^"+t.Name()+"$", "-v", ".").CombinedOutput()
	t.Logf("without the race detector:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("failed: %v", err)
	}
	return true
}

// TestNacosComesLater starts a watch before Nacos can be reached, and cuts it off later: nothing changes then.
func TestNacosComesLater(t *testing.T) {
	addr := server(t)
	if elsewhere(t) {
		return
	}
	direct := open(t, addr)
	publish(t, direct, "doc", "one")
	p := newProxy(t, addr)
	late, err := nacos.New(nacos.Options{Addrs: []string{p.addr}, Group: group(t)})
	if err != nil {
		t.Fatal(err)
	}
	v := watch(t, late, "doc")
	t.Cleanup(func() { late.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := v.Wait(ctx); chat.KindOf(err) != chat.Unavailable {
		t.Fatalf("got %v", err)
	}
	p.open()
	t.Logf("Nacos came: in force after %v", until(t, "one", is(v, "one")))
	p.cut()
	publish(t, direct, "doc", "two")
	if _, _, err := late.Get(t.Context(), "doc"); err == nil {
		t.Error("a read passes although Nacos is cut off")
	}
	if got, _ := v.Get(); got != "one" || v.Health().Missing {
		t.Errorf("while Nacos is away %q is in force", got)
	}
	p.open()
	t.Logf("Nacos came back: in force after %v", until(t, "two", is(v, "two")))
}

func TestOptions(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		opt  nacos.Options
	}{
		{"no address", nacos.Options{}},
		{"no port", nacos.Options{Addrs: []string{"127.0.0.1"}}},
		{"no host", nacos.Options{Addrs: []string{":8848"}}},
		{"no room for the gRPC port", nacos.Options{Addrs: []string{"127.0.0.1:65000"}}},
		{"absent CA", nacos.Options{Addrs: []string{"127.0.0.1:8848"}, CAFile: notPEM + "x"}},
		{"CA that is none", nacos.Options{Addrs: []string{"127.0.0.1:8848"}, CAFile: notPEM}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := nacos.New(tc.opt); chat.KindOf(err) != chat.Invalid || err == nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestLeavesNothingBehind: the SDK writes documents and logs to disk, and they must not stay, nor lie beside the binary.
func TestLeavesNothingBehind(t *testing.T) {
	addr := server(t)
	tmp, wd := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Chdir(wd)
	s, err := nacos.New(nacos.Options{Addrs: []string{addr}, Group: group(t)})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, s, "doc", "one")
	if _, _, err := s.Get(t.Context(), "doc"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "doc"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{tmp, wd} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			t.Errorf("%s holds %v", dir, entries)
		}
	}
	if _, _, err := s.Get(t.Context(), "doc"); err == nil {
		t.Error("a closed source answers")
	}
}

// proxy passes Nacos' two ports on while it is open.
type proxy struct {
	addr string
	mu   sync.Mutex
	on   bool
	cons []net.Conn
}

// newProxy listens on a port P and on P+1000, as Nacos does, and refuses connections until open is called. With a certificate it speaks
// TLS towards the client.
func newProxy(t *testing.T, target string, cert ...tls.Certificate) *proxy {
	t.Helper()
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	for p.addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).Port
		g, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at+1000))
		if err != nil {
			l.Close()
			continue
		}
		p.addr = l.Addr().String()
		t.Cleanup(func() { l.Close(); g.Close(); p.cut() })
		if len(cert) > 0 {
			l = tls.NewListener(l, &tls.Config{Certificates: cert, NextProtos: []string{"http/1.1"}})
			g = tls.NewListener(g, &tls.Config{Certificates: cert, NextProtos: []string{"h2"}})
		}
		go p.serve(l, target)
		go p.serve(g, fmt.Sprintf("%s:%d", host, n+1000))
	}
	return p
}

func (p *proxy) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if !p.on {
			in.Close()
			p.mu.Unlock()
			continue
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			in.Close()
			p.mu.Unlock()
			continue
		}
		p.cons = append(p.cons, in, out)
		p.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		go func() { _, _ = io.Copy(in, out); in.Close() }()
	}
}

func (p *proxy) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = true
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
	for _, c := range p.cons {
		c.Close()
	}
	p.cons = nil
}
