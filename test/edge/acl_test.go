package edge

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/test/realdeps"
	"parley/test/rig"
)

const password = "password-of-this-test-"

// redisUsers runs the script of deploy/ and gives its lines.
func redisUsers(t *testing.T, tenants ...string) []string {
	t.Helper()
	out, err := usersFor(t, tenants...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, password) {
		t.Errorf("a password is printed: %s", out)
	}
	return strings.Split(strings.TrimSpace(out), "\n")
}

func usersFor(t *testing.T, tenants ...string) (string, error) {
	t.Helper()
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "deploy", "redis-users"), tenants...)
	cmd.Env = append(os.Environ(), "REDIS_PASSWORD_OPERATOR="+password+"operator", "REDIS_PASSWORD_ACME="+password+"acme",
		"REDIS_PASSWORD_ACME_EU="+password+"acme-eu", "REDIS_PASSWORD_BETA="+password+"beta")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// redisWith starts a Redis whose redis.conf includes the users, and one user more who may do everything: the test.
func redisWith(ctx context.Context, t *testing.T, users []string, r realdeps.Redis) *realdeps.Server {
	t.Helper()
	r.Dir = t.TempDir()
	file := filepath.Join(r.Dir, "redis-users.conf")
	users = append(slices.Clone(users), "user test on >"+password+"test ~* &* +@all")
	if err := os.WriteFile(file, []byte(strings.Join(users, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Args = append([]string{"--include", file}, r.Args...)
	s, err := realdeps.StartRedis(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func as(t *testing.T, addr, user string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Username: user, Password: password + user, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestClientUnderItsOwnUser lets people talk while the client service has no more rights in Redis than deploy/redis-users gives it.
func TestClientUnderItsOwnUser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	acme := newCompany("acme")
	s := newStage(ctx, t, acme)
	server := redisWith(ctx, t, redisUsers(t, "acme", "beta"), realdeps.Redis{})
	yaml := func(user string) string {
		return fmt.Sprintf("{addrs: [%q], username: %s, password: env:THE_REDIS_PASSWORD}", server.Addr, user)
	}
	t.Setenv("THE_REDIS_PASSWORD", password+"acme")
	client := s.client(ctx, "client", yaml("acme"), acme)
	s.entry([]company{acme}, client)
	s.talk(ctx, acme, client.Addr)
	if st := s.status(ctx, "client", acme.env()); st[0].Waiting != 0 {
		t.Errorf("status as acme: %+v", st)
	}
	s.write(filepath.Join(s.rig.Dir, "operator.yaml"), fmt.Sprintf(
		"redis: %s\ntenants: [acme]\nregistry: {mode: direct, direct: [%q]}\nlive: {source: file, dir: %q}\n", yaml("operator"), s.server.Addr, filepath.Join(s.rig.Dir, "live")))
	t.Setenv("THE_REDIS_PASSWORD", password+"operator")
	if st := s.status(ctx, "operator", acme.env()); st[0].Tenant != "acme" || st[0].Waiting != 0 {
		t.Errorf("status as operator: %+v", st)
	}
	s.must(client.Term(30 * time.Second))
	log, err := as(t, server.Addr, "test").ACLLog(ctx, 100).Result()
	s.must(err)
	for _, e := range log {
		if e.Username == "operator" && e.Object == "zremrangebyscore" {
			continue // stats forgets dead letters where it may
		}
		t.Errorf("%s was refused %s %s in %s", e.Username, e.Reason, e.Object, e.Context)
	}
}

// TestUsersReachTheirOwnKeysAlone tries what a stolen password of one tenant is good for.
func TestUsersReachTheirOwnKeysAlone(t *testing.T) {
	server := redisWith(t.Context(), t, redisUsers(t, "acme", "acme-eu", "beta"), realdeps.Redis{})
	ctx := t.Context()
	all := as(t, server.Addr, "test")
	keys := map[string]string{ // by whom they belong to
		"acme": "parley:1:{acme:00}:h:app:zhang", "acme-eu": "parley:1:{acme-eu:00}:h:app:zhang", "beta": "parley:1:{beta:00}:h:app:zhang",
	}
	others := []string{
		"parley:1:{beta}:budget:turns", "parley:1:{acme-eu}:budget:turns", "parley:1:token:beta%2Fwecom%2Fx", "parley:1:token:acme-eu%2Fwecom%2Fx",
		"parley:1:lock:beta%2Fwecom%2Fx", "parley:1:memo:beta%2Fding%2Fx", "parley:1:memo:acme-eu%2Fding%2Fx", "parley:1:memo:acme", "parley:1:memo:#x", "parley:1:pace:beta%2Fding%2Fx", "parley:1:relay:beta%2Fbot%2Fx",
		"parley:1:{clients}:other", "parley:1:{clients}:budget:turns", "parley:1:{acmes:00}:n", "other", "parley:1:{beta:00}:{acme:00}",
	}
	for _, k := range append(others, slices.Collect(maps.Values(keys))...) {
		if err := all.Set(ctx, k, "secret", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(t *testing.T, what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "ACL") && !strings.Contains(err.Error(), "The user executing the script can't") {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	for owner := range keys {
		user := as(t, server.Addr, owner)
		for whose, key := range keys {
			t.Run(owner+" reads and writes "+whose, func(t *testing.T) {
				got, err := user.Get(ctx, key).Result()
				_, scripted := user.Eval(ctx, "return redis.call('GET', ARGV[1])", []string{keys[owner]}, key).Result()
				set := user.Set(ctx, key, "secret", 0).Err()
				if whose == owner {
					if err != nil || got != "secret" || scripted != nil || set != nil {
						t.Errorf("%q, %v, %v, %v", got, err, scripted, set)
					}
					return
				}
				refused(t, "GET", err)
				refused(t, "GET within a script", scripted)
				refused(t, "SET", set)
			})
		}
	}
	acme := as(t, server.Addr, "acme")
	for _, k := range others {
		refused(t, "GET "+k, acme.Get(ctx, k).Err())
	}
	for _, cmd := range [][]any{
		{"KEYS", "*"}, {"SCAN", "0"}, {"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"MONITOR"}, {"ACL", "LIST"}, {"CLIENT", "LIST"}, {"PSUBSCRIBE", "*"},
		{"SUBSCRIBE", "other"}, {"SCRIPT", "FLUSH"}, {"SHUTDOWN"}, {"RENAME", keys["acme"], keys["beta"]}, {"COPY", keys["beta"], keys["acme"]},
	} {
		refused(t, fmt.Sprint(cmd), acme.Do(ctx, cmd...).Err())
	}
	for _, kind := range []string{"token", "lock", "memo", "pace", "relay"} {
		if err := acme.Set(ctx, "parley:1:"+kind+":acme%2Fding%2Fx", "v", time.Hour).Err(); err != nil {
			t.Errorf("its own %s: %v", kind, err)
		}
	}
	if n, err := acme.Publish(ctx, "parley:1:stop:acme:owner", "x").Result(); err != nil || n != 0 {
		t.Errorf("PUBLISH to its own: %d, %v", n, err)
	}
	for _, channel := range []string{"parley:1:stop:beta:owner", "parley:1:stop:acme-eu:owner", "parley:1:stop:owner", "parley:1:stop:*"} {
		refused(t, "PUBLISH "+channel, acme.Publish(ctx, channel, "beta 0 app:zhang 1").Err())
		refused(t, "SUBSCRIBE "+channel, acme.Do(ctx, "SUBSCRIBE", channel).Err())
		refused(t, "PSUBSCRIBE "+channel, acme.Do(ctx, "PSUBSCRIBE", channel).Err())
	}
	operator := as(t, server.Addr, "operator")
	if got, err := operator.Get(ctx, keys["beta"]).Result(); err != nil || got != "secret" {
		t.Errorf("operator reads: %q, %v", got, err)
	}
	refused(t, "operator writes", operator.Set(ctx, keys["beta"], "x", 0).Err())
	refused(t, "operator deletes in a script", operator.Eval(ctx, "return redis.call('DEL', KEYS[1])", []string{keys["beta"]}).Err())
	for _, kind := range []string{"h:app:zhang", "s:app:zhang", "u:20000", "f:1", "d:app:1", "l:app:zhang"} {
		key := "parley:1:{beta:00}:" + kind
		refused(t, "operator writes "+kind, operator.Do(ctx, "HSET", key, "x", "y").Err())
		refused(t, "operator appends to "+kind, operator.Do(ctx, "RPUSH", key, "x").Err())
	}
	refused(t, "operator drops the audit log", operator.Del(ctx, "parley:1:{OPERATORS}:audit").Err())
	refused(t, "operator writes a tenant's audit log", operator.Do(ctx, "XADD", "parley:1:{beta}:audit", "*", "e", "x").Err())
	refused(t, "a tenant writes the operators' audit log", acme.Do(ctx, "XADD", "parley:1:{OPERATORS}:audit", "*", "e", "x").Err())
	refused(t, "operator reads a token", operator.Get(ctx, "parley:1:token:beta%2Fwecom%2Fx").Err())
	if err := redis.NewClient(&redis.Options{Addr: server.Addr}).Get(ctx, keys["acme"]).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("nobody in particular: %v", err)
	}
}

// TestUsersMayCallWhatScriptsCall: a script that calls what its user may not fails in the middle.
func TestUsersMayCallWhatScriptsCall(t *testing.T) {
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "internal", "redisstore", "lua", "*.lua"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	called := regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	calls := map[string]bool{}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if all, known := strings.Count(string(content), "redis.call(")+strings.Count(string(content), "redis.pcall("), called.FindAllStringSubmatch(string(content), -1); all != len(known) {
			t.Errorf("%s: a call whose command is not written in capitals between '': the list of rights cannot be checked", f)
		} else {
			for _, m := range known {
				calls[strings.ToLower(m[1])] = true
			}
		}
	}
	// What the store calls itself, besides its scripts.
	for _, c := range []string{"evalsha", "eval", "script|load", "ping", "info", "command", "cluster|slots", "get", "set", "xrange", "hget", "hgetall", "hmget", "zrange", "subscribe", "unsubscribe",
		"lrange", "exists", // histories; shards at rest
		"blpop", "lrem", // relays
		"xadd", "xrevrange", "xtrim"} { // the audit log
		calls[c] = true
	}
	for _, c := range []string{"persist", "zcard"} { // the release before
		calls[c] = true
	}
	var may []string
	for _, word := range strings.Fields(redisUsers(t, "acme")[1]) {
		if c, ok := strings.CutPrefix(word, "+"); ok {
			may = append(may, c)
		}
	}
	slices.Sort(may)
	want := slices.Sorted(maps.Keys(calls))
	if !slices.Equal(may, want) {
		t.Errorf("the users of deploy/redis-users may call other commands than Parley calls: add or remove them there\nmay:   %v\ncalls: %v", may, want)
	}
}

func TestRedisUsersFaults(t *testing.T) {
	for _, tt := range []struct {
		tenants []string
		want    string
	}{
		{nil, "usage: "},
		{[]string{"nopassword"}, "REDIS_PASSWORD_NOPASSWORD is empty"},
		{[]string{"acme", "*"}, "*: a tenant's name"},
		{[]string{"Acme"}, "Acme: a tenant's name"},
		{[]string{"operator"}, "neither operator nor default"},
	} {
		out, err := usersFor(t, tt.tenants...)
		if err == nil || !strings.Contains(out, tt.want) || strings.Contains(out, "user ") && !strings.Contains(out, "Redis user") {
			t.Errorf("%q: %v, %s", tt.tenants, err, out)
		}
	}
}
