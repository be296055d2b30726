package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// reloadEvery is how often the files are looked at, at most.
const reloadEvery = time.Second

// reloading is TLS whose files are read again when they change, so that certificates are renewed without a restart: each new handshake uses the
// newest good form. Connections that stand are not touched; see [ServerOptions.Renew].
type reloading struct {
	files TLS
	log   *slog.Logger

	mu      sync.Mutex
	checked time.Time
	stamp   [3]stamp // of the files that were read last, good or not
	current *tls.Config
}

// config gives the newest good form of the files; while a change cannot be used, the form before it stays.
func (r *reloading) config() (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && time.Since(r.checked) < reloadEvery {
		return r.current, nil
	}
	r.checked = time.Now()
	now := [3]stamp{stampOf(r.files.CA), stampOf(r.files.Cert), stampOf(r.files.Key)}
	if r.current != nil && now == r.stamp {
		return r.current, nil
	}
	cfg, err := r.files.load()
	if r.current == nil {
		r.current, r.stamp = cfg, now
		return cfg, err
	}
	if err == nil {
		err = inTime(cfg.Certificates[0].Leaf, r.checked)
	}
	r.stamp = now
	if err != nil {
		r.log.Error("the changed files of rpc.tls are not used; those before stay in force", "err", err)
		return r.current, nil
	}
	leaf := cfg.Certificates[0].Leaf
	r.log.Info("the changed files of rpc.tls are used for new connections", "cert", r.files.Cert, "serial", leaf.SerialNumber.Text(16), "not_after", leaf.NotAfter)
	r.current = cfg
	return cfg, nil
}

// follow looks at the files until done is closed, so that the log tells of a change when it is made and not with the next handshake.
func follow(creds credentials.TransportCredentials, done <-chan struct{}) {
	r, ok := creds.(*reloading)
	if !ok {
		return
	}
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			_, _ = r.config()
		}
	}
}

// inTime refuses a new certificate that nobody would take now: the one before may still be good.
func inTime(leaf *x509.Certificate, now time.Time) error {
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate is good from %s to %s only", leaf.NotBefore, leaf.NotAfter)
	}
	return nil
}

// stamp tells two states of a file apart.
type stamp struct {
	modified time.Time
	size     int64
	target   string // where symlinks lead: Kubernetes swaps a folder, and file times may be equal
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	target, _ := filepath.EvalSymlinks(file)
	return stamp{modified: info.ModTime(), size: info.Size(), target: target}
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
