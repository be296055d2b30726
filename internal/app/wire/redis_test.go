package wire_test

import (
	"strings"
	"testing"

	"parley/internal/app/wire"
	"parley/internal/redisstore"
)

func TestRedisWarnings(t *testing.T) {
	good := redisstore.Memory{Used: 1, Max: 2, Policy: "noeviction", AOF: true, Fsync: "always"}
	for name, tt := range map[string]struct {
		change func(*redisstore.Memory)
		want   string
	}{
		"good":           {func(*redisstore.Memory) {}, ""},
		"fsync unknown":  {func(m *redisstore.Memory) { m.Fsync = "" }, ""},
		"unbounded":      {func(m *redisstore.Memory) { m.Unbounded = true }, "maxmemory is 0"},
		"evicts":         {func(m *redisstore.Memory) { m.Policy = "allkeys-lru" }, "maxmemory-policy is allkeys-lru"},
		"no file":        {func(m *redisstore.Memory) { m.AOF = false }, "appendonly is no"},
		"a second's gap": {func(m *redisstore.Memory) { m.Fsync = "everysec" }, "appendfsync is everysec"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			tt.change(&m)
			got := strings.Join(wire.RedisWarnings(m), "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
