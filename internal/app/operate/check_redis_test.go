package operate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/test/realdeps"
)

// A Redis user of another tenant answers pings; that the tenant's own keys are refused is told before its first message is.
func TestCheckLiveFindsARedisUserOfAnotherTenant(t *testing.T) {
	server, err := realdeps.StartRedis(t.Context(), realdeps.Redis{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	root := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer func() { _ = root.Close() }()
	if err := root.Do(t.Context(), "ACL", "SETUSER", "acme-eu", "on", ">secret", "~parley:1:{acme-eu:*", "~parley:format", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REDIS_PASSWORD", "secret")
	for tenant, fails := range map[string]bool{"acme": true, "acme-eu": false} {
		t.Run(tenant, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "client.yaml")
			content := "redis: {addrs: [" + server.Addr + "], username: acme-eu, password: env:REDIS_PASSWORD}\ntenants: [" + tenant + "]\n" +
				"live: {source: file, dir: .}\nregistry: {mode: direct, direct: [127.0.0.1:1]}\n"
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, []string{file}, true)
			if failed := err != nil && strings.Contains(err.Error(), "the keys of tenant "+tenant) && strings.Contains(err.Error(), "NOPERM"); failed != fails {
				t.Errorf("said %v, want it to fail: %v\n%s", err, fails, &out)
			}
		})
	}
}
