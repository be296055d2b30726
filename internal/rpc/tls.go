package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func (t TLS) empty() bool { return t.CA == "" && t.Cert == "" && t.Key == "" }

// credentials gives the transport's security: plaintext only if no file is named at all.
func (t TLS) credentials() (credentials.TransportCredentials, error) {
	if t.empty() {
		return insecure.NewCredentials(), nil
	}
	for _, f := range []struct{ key, file string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		if f.file == "" {
			return nil, fmt.Errorf("rpc.tls.%s is empty: name all of ca, cert and key, or none", f.key)
		}
	}
	c := &reloading{files: t}
	if _, err := c.config(); err != nil {
		return nil, err
	}
	return c, nil
}

// reloading is TLS whose files are read again when they change, so that certificates are renewed without a restart.
type reloading struct {
	files TLS

	mu      sync.Mutex
	checked time.Time
	stamp   [3]time.Time
	current *tls.Config
}

// config gives the newest good form of the files; while a change cannot be read, the form before it stays.
func (r *reloading) config() (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && time.Since(r.checked) < time.Second {
		return r.current, nil
	}
	r.checked = time.Now()
	stamp := [3]time.Time{modified(r.files.CA), modified(r.files.Cert), modified(r.files.Key)}
	if r.current != nil && stamp == r.stamp {
		return r.current, nil
	}
	cfg, err := r.files.load()
	if err != nil {
		if r.current != nil {
			return r.current, nil
		}
		return nil, err
	}
	r.current, r.stamp = cfg, stamp
	return cfg, nil
}

func modified(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (t TLS) load() (*tls.Config, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, fmt.Errorf("rpc.tls.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("rpc.tls.ca: %s holds no PEM certificate", t.CA)
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

func (r *reloading) ClientHandshake(ctx context.Context, authority string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cfg, err := r.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(cfg).ClientHandshake(ctx, authority, c)
}

func (r *reloading) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cfg, err := r.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(cfg).ServerHandshake(c)
}

// Info implements credentials.TransportCredentials.
func (r *reloading) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls", SecurityVersion: "1.2", ServerName: r.files.ServerName}
}

// Clone implements credentials.TransportCredentials; the copies share what was read.
func (r *reloading) Clone() credentials.TransportCredentials { return r }

// OverrideServerName implements credentials.TransportCredentials; the name is set in the files' options.
func (r *reloading) OverrideServerName(string) error {
	return errors.New("set ServerName in the TLS options")
}
