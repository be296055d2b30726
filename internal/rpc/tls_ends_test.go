package rpc

import (
	"crypto/x509"
	"log/slog"
	"testing"
	"time"
)

// A renewal that cannot be used must not calm the alarm: the end told is that of the certificate in use.
func TestTheEndToldIsOfTheCertificateInUse(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	files := a.issue("client", func(c *x509.Certificate) { c.NotAfter = soon })
	creds, err := files.credentials(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.issue("client", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	creds.(*reloading).checked = time.Time{}
	if got := ends(creds); !got.Equal(soon) {
		t.Errorf("told %v, in use is the one until %v", got, soon)
	}
	later := soon.Add(240 * time.Hour)
	a.issue("client", func(c *x509.Certificate) { c.NotAfter = later })
	creds.(*reloading).checked, creds.(*reloading).stamp = time.Time{}, [3]stamp{}
	if got := ends(creds); !got.Equal(later) {
		t.Errorf("told %v, renewed until %v", got, later)
	}
	plain, _ := TLS{}.credentials(nil)
	if got := ends(plain); !got.IsZero() {
		t.Errorf("without TLS something ends: %v", got)
	}
}
