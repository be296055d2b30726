package operate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

// certificate writes one that speaks for the named tenants and returns its file.
func certificate(t *testing.T, tenants ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	for _, name := range tenants {
		c.URIs = append(c.URIs, &url.URL{Scheme: "parley", Host: "tenant", Path: "/" + name})
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "client.pem")
	put(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return path
}

// TestCheckWarnsOfCertificates: a certificate that names too few is a warning beside the tenants that it should name.
func TestCheckWarnsOfCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		names   []string // of the certificate
		tenants string   // in client.yaml
		docs    []string // tenants whose documents stand beside it
		want    []string
	}{
		"all are named":          {[]string{"acme"}, "[acme]", []string{"beta"}, nil},
		"everybody":              {[]string{"*"}, "[]", []string{"beta"}, nil},
		"one is not":             {[]string{"acme"}, "[acme, beta]", nil, []string{"tenant beta, so servers will refuse its turns; it needs the URI name parley://tenant/beta"}},
		"one of the documents":   {[]string{"acme"}, "[]", []string{"acme", "beta"}, []string{"the URI name parley://tenant/beta"}},
		"nobody knows whom":      {[]string{"acme"}, "[]", nil, []string{"speaks for acme only; it needs the URI name parley://tenant/*"}},
		"it names nobody at all": {nil, "[]", nil, []string{"speaks for nobody only"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cert := certificate(t, c.names...)
			files := []string{filepath.Join(dir, "client.yaml")}
			put(t, files[0], "rpc: {tls: {ca: ca.pem, cert: '"+cert+"', key: key.pem}}\ntenants: "+c.tenants+"\n")
			for _, name := range c.docs {
				files = append(files, filepath.Join(dir, "tenant."+name+".yaml"))
				put(t, files[len(files)-1], "name: "+name+"\nchannels: []\n")
			}
			var said bytes.Buffer
			if err := operate.Check(t.Context(), wire.Env{Stdout: io.Discard, Stderr: &said}, files, false); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(said.String(), "\n"); got != len(c.want) {
				t.Errorf("%d warnings, want %d:\n%s", got, len(c.want), &said)
			}
			for _, want := range c.want {
				if !strings.Contains(said.String(), "client.yaml: rpc.tls.cert: warning: ") || !strings.Contains(said.String(), want) {
					t.Errorf("%q is not in it:\n%s", want, &said)
				}
			}
		})
	}
}
