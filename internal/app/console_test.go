package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app"
	"parley/internal/app/wire"
	"parley/test/realdeps"
)

// TestConsole runs the whole of `parley console` over https: it starts with what console.yaml says, lets in who has the password, and ends.
func TestConsole(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var hash bytes.Buffer
	if err := app.HashPassword(wire.Env{Stdout: &hash}, strings.NewReader("correct horse battery\n")); err != nil {
		t.Fatal(err)
	}
	write("admin", hash.String())
	write("parley-routes.yaml", "providers: {sim: {dialect: simulated}}\nmodels: {chat: [sim/one]}\n")
	cert, key := selfSigned(t)
	write("cert.pem", cert)
	write("key.pem", key)
	listen, ops := freeAddr(t), freeAddr(t)
	write("console.yaml", fmt.Sprintf(`http: {listen: %q, ops: %q, tls: {cert: %s/cert.pem, key: %s/key.pem}}
public_url: https://%s
redis: {addrs: [%q]}
registry: {mode: direct, direct: ["127.0.0.1:1"]}
live: {source: file, dir: %s}
secrets: {dir: %s}
users: [{name: ada, role: admin, password: file:admin}]
`, listen, ops, dir, dir, listen, miniredis.RunT(t).Addr(), dir, dir))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var log lockedBuffer
	go func() {
		ended <- app.RunConsole(ctx, wire.Env{Stdout: io.Discard, Stderr: &log}, filepath.Join(dir, "console.yaml"))
	}()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the certificate of this test
	defer client.CloseIdleConnections()
	do := func(method, url, body string) (int, string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error(), nil
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text), res.Header
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if status, _, _ := do(http.MethodGet, "http://"+ops+"/readyz", ""); status == http.StatusOK {
			break
		} else if time.Now().After(end) {
			t.Fatal("it is not ready:\n", log.String())
		}
	}
	if status, body, _ := do(http.MethodGet, "https://"+listen+"/", ""); status != http.StatusOK || !strings.Contains(body, "assets/main.js") {
		t.Errorf("the page: %d %s", status, body)
	}
	if status, body, h := do(http.MethodPost, "https://"+listen+"/api/login", `{"name":"ada","password":"correct horse battery"}`); status != http.StatusOK || !strings.Contains(h.Get("Set-Cookie"), "Secure") {
		t.Errorf("login: %d %s %v", status, body, h)
	}
	for _, path := range []string{"/debug/pprof/", "/metrics"} {
		if status, _, _ := do(http.MethodGet, "https://"+listen+path, ""); status != http.StatusNotFound {
			t.Errorf("%s on the public address: %d", path, status)
		}
	}
	if _, body, _ := do(http.MethodGet, "http://"+ops+"/metrics", ""); !strings.Contains(body, `parley_console_logins_total{result="ok"} 1`) {
		t.Error("the login is not counted")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "correct horse") || strings.Contains(log.String(), "argon2id") {
		t.Errorf("the log holds a secret:\n%s", log.String())
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// selfSigned makes a certificate of this machine.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	der2, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der2}))
}
