package rpc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func (t TLS) empty() bool { return t.CA == "" && t.Cert == "" && t.Key == "" }

// credentials gives the transport's security: plaintext only if no file is named at all.
func (t TLS) credentials(log *slog.Logger) (credentials.TransportCredentials, error) {
	if t.empty() {
		return insecure.NewCredentials(), nil
	}
	for _, f := range []struct{ key, file string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		if f.file == "" {
			return nil, fmt.Errorf("rpc.tls.%s is empty: name all of ca, cert and key, or none", f.key)
		}
	}
	c := &reloading{files: t, log: log}
	if _, err := c.config(); err != nil {
		return nil, err
	}
	return c, nil
}

func (t TLS) load() (*tls.Config, error) {
	pool, err := authorities(t.CA)
	if err != nil {
		return nil, fmt.Errorf("rpc.tls.ca: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("rpc.tls.cert %s with rpc.tls.key %s: %w", t.Cert, t.Key, err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		RootCAs:      pool,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ServerName:   t.ServerName,
	}, nil
}

// authorities reads a file of one certificate or more. Each must be whole: a file that is just being written must not pass for one with fewer.
func authorities(file string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), false
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return nil, errors.Join(fmt.Errorf("%s holds a %s that is no certificate", file, block.Type), err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found || bytes.Contains(rest, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%s holds no PEM certificate, or one that is cut off", file)
	}
	return pool, nil
}
