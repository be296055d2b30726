package rpc

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
)

// TestCertificatesAreReadAgain replaces one file or the other by what is good and by what is not.
func TestCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	files := a.issue("client", tenants("acme"))
	var log bytes.Buffer
	creds, err := files.credentials(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := creds.(*reloading)
	at := time.Now()
	look := func() bool { // whether what is in force changed
		t.Helper()
		at = at.Add(time.Hour) // file systems may keep whole seconds only
		for _, f := range []string{files.CA, files.Cert, files.Key} {
			if err := os.Chtimes(f, at, at); err != nil {
				t.Fatal(err)
			}
		}
		r.checked = time.Time{}
		before := r.current
		now, err := r.config()
		if err != nil {
			t.Fatal(err)
		}
		return now != before
	}
	put := func(file string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(file string) []byte {
		t.Helper()
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	a.issue("client", tenants("other")) // over the same files
	if !look() {
		t.Error("a renewed certificate is not used")
	}
	cert, authority := read(files.Cert), read(files.CA)
	for name, spoil := range map[string]func(){
		"a broken certificate":          func() { put(files.Cert, []byte("broken")) },
		"a certificate of another key":  func() { put(files.Cert, read(a.issue("stranger", nil).Cert)) },
		"an expired one":                func() { a.issue("client", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }) },
		"one of tomorrow":               func() { a.issue("client", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }) },
		"a half of an authority":        func() { put(files.CA, authority[:len(authority)/2]) },
		"one and a half of authorities": func() { put(files.CA, append(bytes.Clone(authority), authority[:len(authority)/2]...)) },
		"no authority":                  func() { put(files.CA, nil) },
		"an authority that is a key":    func() { put(files.CA, read(files.Key)) },
	} {
		key := read(files.Key)
		log.Reset()
		spoil()
		if look() {
			t.Errorf("%s is used", name)
		}
		if said := log.String(); strings.Count(said, "not used; those before stay in force") != 1 {
			t.Errorf("%s: the log says %q", name, said)
		}
		put(files.Cert, cert)
		put(files.Key, key)
		put(files.CA, authority)
		look()
	}
}

// TestAuthorityAndCertificatesChange moves both sides from one authority to another under calls, with connections that are made anew all the time.
func TestAuthorityAndCertificatesChange(t *testing.T) {
	t.Parallel()
	old, next := newAuthority(t), newAuthority(t)
	both := func(list ...*authority) {
		var all []byte
		for _, a := range list {
			content, err := os.ReadFile(a.dir + "/ca.pem")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, content...)
		}
		replace(t, old.dir+"/trusted.pem", all)
	}
	both(old)
	server, client := old.issue("server", loopbackServer), old.issue("client", tenants("acme"))
	server.CA, client.CA = old.dir+"/trusted.pem", old.dir+"/trusted.pem"
	earlier := old.issue("earlier", tenants("acme"))
	earlier.CA = client.CA

	s := serve(t, ServerOptions{Handler: &script{}, TLS: server, Renew: 200 * time.Millisecond})
	c := dial(t, ClientOptions{TLS: client, Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
	awaitUp(t, c, s.Addr())
	q, end := untilEnd(t)
	long := start(t, t.Context(), c, q)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var asked, failed []error
	var mu sync.Mutex
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				_, err := ask(t.Context(), c, "echo")
				mu.Lock()
				asked = append(asked, err)
				if err != nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	settle := func() { time.Sleep(reloadEvery + 400*time.Millisecond) } // seen by both, and connections made since
	move := func(name string, to TLS) {
		issued := next.issue(name+"-next", map[string]func(*x509.Certificate){"server": loopbackServer, "client": tenants("acme")}[name])
		for from, into := range map[string]string{issued.Cert: to.Cert, issued.Key: to.Key} {
			content, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			replace(t, into, content)
		}
	}
	settle()
	both(old, next)
	settle()
	move("client", client)
	settle()
	move("server", server)
	settle()
	both(next)
	settle()
	close(stop)
	load.Wait()
	if len(failed) > 0 || len(asked) < 100 {
		t.Errorf("%d of %d calls failed, the first: %v", len(failed), len(asked), failed)
	}
	end()
	if err := long.wait(t); err != nil {
		t.Errorf("a call that was longer than its connection: %v", err)
	}
	// Who still has a certificate of the first authority is out.
	late := dial(t, ClientOptions{TLS: earlier, Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
	eventually(t, "the probe has spoken", func() bool { return late.pool.members[s.Addr()].state.Load() == down })
	_, err := ask(t.Context(), late, "echo")
	wantKind(t, err, chat.Unavailable)
}

func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := replaceFile(file, content); err != nil {
		t.Fatal(err)
	}
}
