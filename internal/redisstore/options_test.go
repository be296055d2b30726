package redisstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/chat"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"no address", Options{}, "addrs is empty"},
		{"no port", Options{Addrs: []string{"127.0.0.1:6379", "redis.local"}}, `"redis.local" is not host:port`},
		{"a database in a cluster", Options{Addrs: []string{"a:1", "b:1"}, DB: 2}, "db is 2"},
		{"a database in a one-node cluster", Options{Addrs: []string{"a:1"}, Cluster: true, DB: 2}, "db is 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want it to name %q", err, tt.want)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	mr := miniredis.RunT(t)
	mr.RequireUserAuth("parley", "canary-password")
	ctx := context.Background()
	good := open(t, Options{Addrs: []string{mr.Addr()}, Username: "parley", Password: chat.NewSecret("canary-password"), DB: 3})
	if err := good.Ping(ctx); err != nil {
		t.Errorf("right password: %v", err)
	}
	for _, o := range []Options{{}, {Username: "parley", Password: chat.NewSecret("canary-wrong")}} {
		o.Addrs = []string{mr.Addr()}
		err := open(t, o).Ping(ctx)
		if chat.KindOf(err) != chat.Unavailable || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
			t.Errorf("password %v: %v, want unavailable and no secret in it", o.Password, err)
		}
	}
}

func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	mr := miniredis.NewMiniRedis()
	if err := mr.StartTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	defer mr.Close()
	ctx := context.Background()
	good := open(t, Options{Addrs: []string{mr.Addr()}, TLS: func() *tls.Config { return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} }})
	if err := good.Ping(ctx); err != nil {
		t.Errorf("right authority: %v", err)
	}
	for name, conf := range map[string]*tls.Config{
		"unknown authority": {RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12},
		"other name":        {RootCAs: roots, ServerName: "redis.acme", MinVersion: tls.VersionTLS12},
		"plaintext":         nil,
	} {
		o := Options{Addrs: []string{mr.Addr()}, Timeout: time.Second}
		if conf != nil {
			o.TLS = func() *tls.Config { return conf }
		}
		s := open(t, o)
		if err := s.Ping(ctx); err == nil || !chat.KindOf(err).Retryable() {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
