package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/test/realdeps"
)

// TestRedisOverTLS is a client service whose Redis asks for TLS, a user and a password; and one that trusts somebody else.
func TestRedisOverTLS(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	acme := newCompany("acme")
	s := newStage(ctx, t, acme)
	cert, key := s.selfSigned("redis")
	stranger, _ := s.selfSigned("stranger")
	addr, err := realdeps.FreeAddr()
	s.must(err)
	_, port, _ := net.SplitHostPort(addr)
	server := redisWith(ctx, t, redisUsers(t, "acme"), realdeps.Redis{
		Args: []string{"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"},
	})
	s.must(as(t, server.Addr, "test").Ping(ctx).Err())
	t.Setenv("THE_REDIS_PASSWORD", password+"acme")
	yaml := func(ca string) string {
		return fmt.Sprintf("{addrs: [%q], username: acme, password: env:THE_REDIS_PASSWORD, tls: {ca: %q}}", addr, ca)
	}
	client := s.client(ctx, "client", yaml(cert), acme)
	s.entry([]company{acme}, client)
	s.say(ctx, acme.app, "acme-zhang", "你好", 1)
	s.must(client.Term(30 * time.Second))

	for name, redis := range map[string]string{"another authority": yaml(stranger), "plaintext": strings.Replace(yaml(""), "tls: {ca: \"\"}", "db: 0", 1)} {
		t.Run(name, func(t *testing.T) {
			node := s.unready(ctx, strings.ReplaceAll(name, " ", "-"), redis, acme)
			status, err := mutant{method: http.MethodPost, path: "/callback/acme/app"}.post(ctx, node)
			if err != nil || status == http.StatusOK {
				t.Errorf("a callback was answered %d, %v", status, err)
			}
		})
	}
}

// unready starts a client that cannot reach Redis, checks that it says so, and gives its public address.
func (s *stage) unready(ctx context.Context, name, redis string, c company) (addr string) {
	s.Helper()
	short, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := s.rig.StartNode(short, "client", name, c.env(), func(a, ops string) string {
		addr = a
		return fmt.Sprintf("http: {listen: %q, ops: %q}\nredis: %s\ntenants: [%s]\nplatforms: {wecom: %q}\nregistry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\n",
			a, ops, redis, c.name, s.origin, s.server.Addr, filepath.Join(s.rig.Dir, "live"))
	})
	if err == nil || !strings.Contains(err.Error(), `"missing":["redis"]`) {
		s.Errorf("%s: ready, or not for this reason: %v", name, err)
	}
	return addr
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func (s *stage) selfSigned(name string) (cert, key string) {
	s.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	s.must(err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	s.must(err)
	write := func(kind string, der []byte) string {
		file := filepath.Join(s.rig.Dir, name+"-"+strings.ReplaceAll(strings.ToLower(kind), " ", "-")+".pem")
		s.must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	return write("CERTIFICATE", der), write("EC PRIVATE KEY", keyDER)
}
