package rpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/chat"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) string {
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue makes a certificate under name; change may alter it before it is signed.
func (a *authority) issue(name string, change func(*x509.Certificate)) TLS {
	a.t.Helper()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(cert)
	}
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return TLS{CA: a.file, Cert: a.write(name+".pem", "CERTIFICATE", der), Key: a.write(name+".key", "EC PRIVATE KEY", keyDER)}
}

func loopbackServer(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

func tenants(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, n := range names {
			c.URIs = append(c.URIs, &url.URL{Scheme: "parley", Host: "tenant", Path: "/" + n})
		}
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	server := ours.issue("server", loopbackServer)
	foreign := theirs.issue("acme", tenants("acme"))
	foreign.CA = ours.file // it trusts the server, but is not trusted
	distrusting := ours.issue("acme-distrusting", tenants("acme"))
	distrusting.CA = theirs.file
	misnamed := ours.issue("acme-misnamed", tenants("acme"))
	misnamed.ServerName = "another.example"
	tests := map[string]struct {
		client TLS
		want   chat.Kind
		ok     bool
	}{
		"its tenant":                {client: ours.issue("acme", tenants("acme")), ok: true},
		"one of its tenants":        {client: ours.issue("both", tenants("other", "acme")), ok: true},
		"every tenant":              {client: ours.issue("all", tenants("*")), ok: true},
		"another tenant":            {client: ours.issue("other", tenants("other")), want: chat.Forbidden},
		"a tenant that begins so":   {client: ours.issue("acme2", tenants("acme-2")), want: chat.Forbidden},
		"no tenant":                 {client: ours.issue("none", nil), want: chat.Forbidden},
		"the empty tenant":          {client: ours.issue("empty", tenants("")), want: chat.Forbidden},
		"plaintext":                 {want: chat.Unavailable},
		"another authority":         {client: foreign, want: chat.Unavailable},
		"an expired certificate":    {client: ours.issue("old", func(c *x509.Certificate) { tenants("acme")(c); c.NotAfter = time.Now().Add(-time.Minute) }), want: chat.Unavailable},
		"a certificate of tomorrow": {client: ours.issue("early", func(c *x509.Certificate) { tenants("acme")(c); c.NotBefore = time.Now().Add(time.Minute) }), want: chat.Unavailable},
		"a certificate for servers alone": {client: ours.issue("wrong-use", func(c *x509.Certificate) {
			tenants("acme")(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), want: chat.Unavailable},
		"a server of unknown hand": {client: distrusting, want: chat.Unavailable},
		"a server of another name": {client: misnamed, want: chat.Unavailable},
	}
	s := serve(t, ServerOptions{Handler: &script{}, TLS: server})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, ClientOptions{TLS: tt.client, Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
			if tt.ok || tt.want == chat.Forbidden {
				awaitUp(t, c, s.Addr())
			} else {
				eventually(t, "the probe has spoken", func() bool { return c.pool.members[s.Addr()].state.Load() == down })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := ask(ctx, c, "echo")
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantKind(t, err, tt.want)
		})
	}
}

func TestAServerMustProveItselfToo(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, change := range map[string]func(*x509.Certificate){
		"expired":         func(c *x509.Certificate) { loopbackServer(c); c.NotAfter = time.Now().Add(-time.Minute) },
		"of another name": func(c *x509.Certificate) { c.DNSNames = []string{"another.example"} },
		"a client's alone": func(c *x509.Certificate) {
			loopbackServer(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ServerOptions{Handler: &script{}, TLS: a.issue("server-"+name, change)})
			c := dial(t, ClientOptions{TLS: a.issue("acme-"+name, tenants("acme")), Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
			eventually(t, "the probe has spoken", func() bool { return c.pool.members[s.Addr()].state.Load() == down })
			_, err := ask(t.Context(), c, "echo")
			wantKind(t, err, chat.Unavailable)
		})
	}
}

func TestAPlaintextServerIsNoUseWithTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	c := dial(t, ClientOptions{TLS: newAuthority(t).issue("acme", tenants("acme")), Registry: Registry{Mode: ModeDirect, Direct: []string{s.Addr()}}})
	eventually(t, "the probe has spoken", func() bool { return c.pool.members[s.Addr()].state.Load() == down })
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
}

func TestKeysDoNotTravelInPlaintextBeyondLoopback(t *testing.T) {
	t.Parallel()
	reg := Registry{Mode: ModeDirect, Direct: []string{"192.0.2.1:20880"}}
	c := dial(t, ClientOptions{Registry: reg})
	if got := c.Servers(); len(got) != 0 {
		t.Errorf("it would use %v", got)
	}
	_, err := ask(t.Context(), c, "echo")
	wantKind(t, err, chat.Unavailable)
	_, err = c.Inspect(t.Context(), "192.0.2.1:20880")
	wantKind(t, err, chat.Invalid)
	if got := dial(t, ClientOptions{Registry: reg, Insecure: true}).Servers(); len(got) != 1 {
		t.Errorf("insecure was chosen, and it knows %v", got)
	}
}
