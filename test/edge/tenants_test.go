package edge

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleetKeys are the keys that belong to no tenant: the data's format, and which client services live, for parley status.
var fleetKeys = []string{"parley:format", "parley:1:{clients}:", "parley:1:{clients}:values", "parley:1:{clients}:ends"}

// tenantKey finds the tenant of a key: its hash tag is {TENANT:SHARD} or {TENANT}, and platforms' tokens and their locks begin with it.
var tenantKey = regexp.MustCompile(`^parley:1:(?:\{([a-z0-9-]+):\d\d\}:|\{([a-z0-9-]+)\}:(?:budget|seats):|(?:token|lock):([a-z0-9-]+)%2F)`)

func tenantOf(key string) string {
	m := tenantKey.FindStringSubmatch(key)
	if m == nil {
		return ""
	}
	return m[1] + m[2] + m[3]
}

// TestTenantsStayApart records all that Redis executes while two tenants' people talk through one process, and looks at each step: it touches one
// tenant's keys, and what it says names no other.
func TestTenantsStayApart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	acme, beta := newCompany("acme"), newCompany("beta")
	both := []company{acme, beta}
	s := newStage(ctx, t, both...)
	tr := record(ctx, t, s.rig.Redis.Addr)
	client := s.client(ctx, "client", s.redisYAML(), both...)
	s.entry(both, client)
	for _, c := range both {
		s.talk(ctx, c, client.Addr)
	}
	s.status(ctx, "client", append(acme.env(), beta.env()...))
	s.must(client.Term(30 * time.Second))

	seen := map[string]int{} // kinds of keys, to know that all were used
	for _, st := range tr.steps(t) {
		keys := st.keys()
		if len(keys) == 0 {
			continue
		}
		if slices.Contains(fleetKeys, keys[0]) {
			for _, k := range keys {
				if !slices.Contains(fleetKeys, k) {
					t.Errorf("a step of the fleet touches %s: %q", k, st.sent)
				}
			}
			seen["clients"]++
			continue
		}
		mine := tenantOf(keys[0])
		if mine != "acme" && mine != "beta" {
			t.Errorf("%s belongs to no tenant and is not of the fleet: %q", keys[0], st.sent)
			continue
		}
		other := map[string]string{"acme": "beta", "beta": "acme"}[mine]
		for _, k := range keys {
			if tenantOf(k) != mine {
				t.Errorf("a step of %s touches %s: %q", mine, k, st.sent)
			}
			seen[kindOf(k)]++
		}
		for _, args := range append([][]string{st.sent}, st.calls...) {
			if said := strings.Join(args, " "); strings.Contains(said, other) {
				t.Errorf("a step of %s names %s: %.500q", mine, other, said)
			}
			if strings.EqualFold(args[0], "publish") {
				seen["publish"]++
			}
		}
	}
	t.Log(seen)
	for _, kind := range []string{
		"n", "ready", "owners", "o", "stops", "m", "h", "s", "c", "u", "f", "l", "d", "r", "1", "budget", "token", "lock", "clients", "publish", "dead",
	} {
		if seen[kind] == 0 {
			t.Errorf("no step touched a key of kind %s: the conversations do not reach it", kind)
		}
	}
}

// kindOf is the word of a key that says what it holds.
func kindOf(key string) string {
	rest := strings.TrimPrefix(key, "parley:1:")
	if _, after, ok := strings.Cut(rest, "}:"); ok {
		rest = after
	}
	word, _, _ := strings.Cut(rest, ":")
	return word
}

func TestTenantOf(t *testing.T) {
	for key, want := range map[string]string{
		"parley:1:{acme:00}:m:app:zhang":    "acme",
		"parley:1:{acme-eu:00}:n":           "acme-eu",
		"parley:1:{acme}:budget:turns":      "acme",
		"parley:1:{acme}:seats:held":        "acme",
		"parley:1:token:acme%2Fwecom%2Fww1": "acme",
		"parley:1:lock:acme%2Fwecom%2Fww1":  "acme",
		"parley:1:{clients}:values":         "",
		"parley:1:{acme}:other":             "",
		"parley:1:acme":                     "",
		"parley:2:{acme:00}:n":              "",
		"x:parley:1:{acme:00}:n":            "",
	} {
		if got := tenantOf(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
