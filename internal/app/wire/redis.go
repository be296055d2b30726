package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"parley/internal/config"
	"parley/internal/redisstore"
)

// OpenStore opens the store, which connects to Redis when it is first used. Close it.
func OpenStore(r config.Redis) (*redisstore.Store, error) {
	o := redisstore.Options{Addrs: r.Addrs, Username: r.Username, Password: r.Password.Secret, DB: r.DB}
	if r.TLS.CA != "" {
		pem, err := os.ReadFile(r.TLS.CA)
		if err != nil {
			return nil, fmt.Errorf("redis.tls.ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis.tls.ca: %s holds no certificate", r.TLS.CA)
		}
		o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return redisstore.New(o)
}

// RedisWarnings says what in Redis's own settings weakens Parley's guarantees, and how to mend it.
func RedisWarnings(m redisstore.Memory) (out []string) {
	if m.Unbounded {
		out = append(out, "maxmemory is 0: Redis grows until the system ends it, and Parley cannot refuse messages before; set maxmemory to what this machine can spare")
	}
	if m.Policy != "" && m.Policy != "noeviction" {
		out = append(out, "maxmemory-policy is "+m.Policy+": Redis may drop conversations when its memory is full; set maxmemory-policy noeviction")
	}
	switch {
	case !m.AOF:
		out = append(out, "appendonly is no: what was accepted is lost when Redis restarts; set appendonly yes and appendfsync always")
	case m.Fsync != "" && m.Fsync != "always":
		out = append(out, "appendfsync is "+m.Fsync+": what was accepted in the last second may be lost when Redis's machine fails; set appendfsync always")
	}
	return out
}
