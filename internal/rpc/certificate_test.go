package rpc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCertificateNames(t *testing.T) {
	ours := newAuthority(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	acme := ours.issue("acme", tenants("acme", "acme-eu"))
	both, err := os.ReadFile(acme.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := os.ReadFile(acme.Cert)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.pem") // the key may stand before the certificate
	if err := os.WriteFile(bundle, append(both, cert...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file string
		want Names
		miss string // of beta; empty: nothing
		bad  bool
	}{
		"some":       {file: acme.Cert, want: Names{Tenants: []string{"acme", "acme-eu"}}, miss: "parley://tenant/beta"},
		"everybody":  {file: ours.issue("all", tenants("*")).Cert, want: Names{All: true}},
		"nobody":     {file: ours.issue("server", loopbackServer).Cert, miss: "parley://tenant/beta"},
		"no TLS":     {want: Names{All: true}},
		"a bundle":   {file: bundle, want: Names{Tenants: []string{"acme", "acme-eu"}}, miss: "parley://tenant/beta"},
		"no PEM":     {file: empty, bad: true},
		"a key":      {file: acme.Key, bad: true},
		"not there":  {file: empty + "x", bad: true},
		"beta's own": {file: ours.issue("beta", tenants("beta")).Cert, want: Names{Tenants: []string{"beta"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := CertificateNames(c.file)
			if (err != nil) != c.bad {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if miss := got.Miss("beta"); !c.bad && miss != c.miss {
				t.Errorf("beta misses %q, want %q", miss, c.miss)
			}
		})
	}
}
