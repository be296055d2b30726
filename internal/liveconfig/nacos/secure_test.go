package nacos_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/liveconfig/nacos"
	"parley/test/realdeps"
)

// TestLoginAndTLS runs against a Nacos of its own, which wants a password and is reached through TLS.
func TestLoginAndTLS(t *testing.T) {
	server(t)
	if elsewhere(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	n, err := realdeps.StartNacos(ctx, realdeps.Nacos{Dir: t.TempDir(), Auth: true, Password: "right"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	cert, ca := certificate(t)
	_, otherCA := certificate(t)
	p := newProxy(t, n.Addr, cert)
	p.open()

	for _, tc := range []struct {
		name, addr, user, password, ca string
		good, refused                  bool
	}{
		{"password", n.Addr, "nacos", "right", "", true, false},
		{"password and TLS", p.addr, "nacos", "right", ca, true, false},
		{"wrong password", n.Addr, "nacos", "wrong", "", false, true},
		{"no password", n.Addr, "", "", "", false, true},
		{"another authority", p.addr, "nacos", "right", otherCA, false, false},
		{"plain to TLS", p.addr, "nacos", "right", "", false, false},
		{"TLS to plain", n.Addr, "nacos", "right", ca, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := nacos.New(nacos.Options{Addrs: []string{tc.addr}, Username: tc.user, Password: chat.NewSecret(tc.password), CAFile: tc.ca})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if tc.good {
				publish(t, s, "tenant.acme", "one")
				v := watch(t, s, "tenant.acme")
				until(t, "one", is(v, "one"))
				if names, err := s.List(ctx, "tenant."); err != nil || len(names) != 1 {
					t.Errorf("listed %v, %v", names, err)
				}
				return
			}
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			for short.Err() == nil {
				if _, _, err := s.Get(short, "tenant.acme"); err == nil {
					t.Fatal("it may read")
				} else if refused := chat.KindOf(err) == chat.Unauthenticated; refused != tc.refused && short.Err() == nil {
					t.Fatalf("whether the login is refused is %v: %v", refused, err)
				}
				if err := s.Publish(short, "tenant.acme", []byte("x"), nil); err == nil {
					t.Fatal("it may write")
				}
			}
		})
	}
}

// certificate makes a certificate for 127.0.0.1 and the file of the authority that signed it: itself.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Parley's tests"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
