package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAuthoritiesChange rotates the authority that signs Redis's certificate, with faulty files on the way.
func TestAuthoritiesChange(t *testing.T) {
	old, oldPEM := authority(t)
	next, nextPEM := authority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	put := func(parts ...[]byte) {
		t.Helper()
		if err := os.WriteFile(file, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(oldPEM)
	var log bytes.Buffer
	a, err := newAuthorities("redis.tls.ca", file, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	trusts := func(when string, wantOld, wantNext bool) {
		t.Helper()
		pool := a.config().RootCAs
		for i, cert := range []*x509.Certificate{old, next} {
			_, err := cert.Verify(x509.VerifyOptions{Roots: pool})
			if want := []bool{wantOld, wantNext}[i]; (err == nil) != want {
				t.Errorf("%s: certificate %d: %v, want it to be trusted: %v", when, i, err, want)
			}
		}
	}
	trusts("at the start", true, false)
	put(oldPEM, nextPEM)
	trusts("both", true, true)
	put(nextPEM, oldPEM[:len(oldPEM)/2])
	trusts("a half-written file", true, true)
	trusts("a half-written file, again", true, true)
	put()
	trusts("an empty file", true, true)
	put(nextPEM)
	trusts("the new one alone", false, true)
	if n := strings.Count(log.String(), "faulty"); n != 1 {
		t.Errorf("%d lines say that the file was faulty, want one while the fault is the same:\n%s", n, &log)
	}
	put()
	if _, err := newAuthorities("redis.tls.ca", file, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "redis.tls.ca") {
		t.Errorf("a start with an empty file: %v", err)
	}
}

func authority(t *testing.T) (*x509.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
