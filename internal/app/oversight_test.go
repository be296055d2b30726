package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/file"
	"parley/internal/secret"
)

// recorded is a log that may be read while it is written.
type recorded struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *recorded) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}
func (l *recorded) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), part)
}

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
	fill(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return path
}

// fill writes a file at once: who watches it never sees a half.
func fill(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestOversight runs a client service's documents from a folder: a model that no route has is said once per change, whichever document changes,
// and so is a tenant that the certificate does not name.
func TestOversight(t *testing.T) {
	dir, log := t.TempDir(), &recorded{}
	routes := func(model string) {
		fill(t, filepath.Join(dir, "parley-routes.yaml"), "providers: {a: {dialect: simulated}}\nmodels: {"+model+": [a/m]}\n")
	}
	tenant := func(name, rest string) {
		fill(t, filepath.Join(dir, "tenant."+name+".yaml"), "name: "+name+"\nchannels: []\n"+rest)
	}
	routes("chat")
	tenant("acme", "model: chat\n")
	tenant("beta", "model: chatt\n")

	logger := slog.New(slog.NewTextHandler(log, nil))
	source := file.New(dir)
	deps := channel.Deps{Log: logger} // the tenants have no channels
	d := &directory{companies: companies(source, nil, secret.New(secret.Options{}), deps, nil), routes: readOnlyRoutes(source, logger, nil)}
	o := newOversight(logger, d, certificate(t, "acme"))
	o.watch()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer func() { stop(); wg.Wait() }()
	wg.Go(func() { _ = d.companies.Run(ctx) })
	wg.Go(func() { _ = d.routes.Run(ctx) })

	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not in 30 s: %s; the log:\n%s", what, log.buf.String())
			}
		}
	}
	misfit := func(name string) string {
		for _, doc := range o.documents(documentStates(append(d.companies.Health(), liveconfig.Health{Name: "parley-routes"})...)) {
			if doc.Name == "tenant."+name {
				return doc.Misfit
			}
		}
		return ""
	}
	await("beta's model is said", func() bool { return strings.Contains(misfit("beta"), `no model "chatt"`) })
	await("beta is not named", func() bool { return log.count("needs_uri=parley://tenant/beta") == 1 })
	if misfit("acme") != "" || log.count("parley://tenant/acme") > 0 {
		t.Errorf("acme is faulted: %s", log.buf.String())
	}

	tenant("beta", "model: chatt\nsystem_prompt: another\n") // the same fault again
	tenant("acme", "model: nonsense\n")
	await("acme's model is said", func() bool { return strings.Contains(misfit("acme"), `no model "nonsense"`) })
	tenant("acme", "model: chat\n")
	await("acme is mended", func() bool { return misfit("acme") == "" })
	routes("chatt")
	await("the routes mend beta and break acme", func() bool { return misfit("beta") == "" && misfit("acme") != "" })
	misfits := []string{"parley_tenant_misfit{tenant=acme,with=routes} 1", "parley_tenant_misfit{tenant=beta,with=certificate} 1"}
	if diff := cmp.Diff(misfits, told(t, o)); diff != "" {
		t.Error(diff)
	}
	for part, want := range map[string]int{
		`level=ERROR msg="a tenant's document does not fit parley-routes"`: 3, "tenant=beta faults=": 1, "tenant=acme faults=": 2, "fits parley-routes again": 2, "needs_uri=": 1,
	} {
		if got := log.count(part); got != want {
			t.Errorf("%q stands %d times in the log, want %d:\n%s", part, got, want, log.buf.String())
		}
	}
}
