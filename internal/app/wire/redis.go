package wire

import "parley/internal/redisstore"

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
