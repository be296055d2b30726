package wire

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"parley/internal/config"
	"parley/internal/redisstore"
)

// OpenStore opens the store for a command or a page, whose reader rather waits for a slow Redis than hears of it: 3 s a call, 1 s a connection. It
// connects to Redis when it is first used. Close it.
func OpenStore(r config.Redis) (*redisstore.Store, error) {
	return openStore(r, slog.New(slog.DiscardHandler), redisstore.Options{Dial: time.Second, Timeout: 3 * time.Second})
}

// OpenLastingStore opens the store for a role, with the limits of redisstore.Options: password and authorities, where they are files, are read anew for each new connection, and log is told
// of faulty ones.
func OpenLastingStore(r config.Redis, log *slog.Logger) (*redisstore.Store, error) {
	return openStore(r, log, redisstore.Options{})
}

func openStore(r config.Redis, log *slog.Logger, o redisstore.Options) (*redisstore.Store, error) {
	o.Addrs, o.Username, o.Password, o.Now, o.DB = r.Addrs, r.Username, r.Password.Secret, r.Password.Now(), r.DB
	if r.TLS.CA != "" {
		a, err := newAuthorities("redis.tls.ca", r.TLS.CA, log)
		if err != nil {
			return nil, err
		}
		o.TLS = a.config
	}
	return redisstore.New(o)
}

// authorities are a PEM file that is read again for each use; while it is faulty its last good form stays. Safe for concurrent use.
type authorities struct {
	key, file string
	log       *slog.Logger

	mu    sync.Mutex
	pool  *x509.CertPool
	fault string // logged once
}

func newAuthorities(key, file string, log *slog.Logger) (*authorities, error) {
	pool, err := readAuthorities(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &authorities{key: key, file: file, log: log, pool: pool}, nil
}

func (a *authorities) config() *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	pool, err := readAuthorities(a.file)
	switch {
	case err == nil:
		a.pool, a.fault = pool, ""
	case err.Error() != a.fault:
		a.fault = err.Error()
		a.log.Error("a file of authorities is faulty; its last good form stays in force", "key", a.key, "err", err)
	}
	return &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
}

// readAuthorities wants every block to be a certificate: a file that is just being written must not pass for one with fewer authorities.
func readAuthorities(file string) (*x509.CertPool, error) {
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
			return nil, errors.Join(fmt.Errorf("%s holds what is no certificate", file), err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found || bytes.Contains(rest, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%s holds no certificate, or half of one", file)
	}
	return pool, nil
}
