package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// notThere is how a resolver says that a reference's target is absent.
type notThere string

func (e notThere) Error() string        { return string(e) }
func (e notThere) Is(target error) bool { return target == os.ErrNotExist }

// resolver knows the secrets of m by reference.
func resolver(m map[string]string) func(string) func(string) (chat.Secret, error) {
	return func(string) func(string) (chat.Secret, error) {
		return func(ref string) (chat.Secret, error) {
			if v, ok := m[ref]; ok {
				return chat.NewSecret(v), nil
			}
			return chat.Secret{}, chat.E(chat.NotFound, "secret", notThere(ref+" is not set; set it"))
		}
	}
}

func load(path string, opt config.Options) (any, error) {
	if strings.HasPrefix(filepath.Base(path), "server") {
		return config.LoadServer(path, opt)
	}
	return config.LoadClient(path, opt)
}

// TestFaults loads each bad file and compares all its faults with the golden file beside it.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			_, err := load(file, config.Options{Env: env(), Secrets: resolver(nil)})
			fs, ok := errors.AsType[config.Faults](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			got := strings.ReplaceAll(fs.Error(), "testdata/bad/", "") + "\n"
			if strings.Contains(got, "hunter2") {
				t.Error("a fault repeats a secret")
			}
			for _, f := range fs {
				if !strings.Contains(f.String(), "; ") || f.Line == 0 {
					t.Errorf("a fault without line or mend: %s", f)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("faults (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "client.yaml")
	if err := os.WriteFile(empty, []byte("# nothing\nhttp:\nredis: {addrs: }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", empty} {
		c, err := config.LoadClient(path, config.Options{Env: env(), Secrets: resolver(nil)})
		if err != nil {
			t.Fatal(err)
		}
		want := config.DefaultClient()
		want.Redis.Password, want.Registry.Nacos.Password = config.Credential{}, config.Credential{} // absent: no password
		if diff := diff(want, c); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", path, diff)
		}
	}
	s, err := config.LoadServer("", config.Options{Env: env(), Secrets: resolver(map[string]string{"env:NACOS_PASSWORD": "n"})})
	if err != nil {
		t.Fatal(err)
	}
	if s.Registry.Nacos.Password.Reveal() != "n" {
		t.Error("the default reference is not followed")
	}
}

func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b config.Credential) bool { return a.Ref == b.Ref && a.Reveal() == b.Reveal() }))
}

func TestFileAndEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.yaml")
	text := `
redis:
  addrs: &addrs [10.0.0.1:6379, 10.0.0.2:6379]
  password: env:REDIS_PASSWORD
registry:
  mode: direct
  direct: *addrs
  nacos: {addrs: [n:1], password: file:nacos}
rpc: {insecure: true}
tenants: [acme]
platforms: {wecom: "http://127.0.0.1:7000/"}
limits: {turns: 1_000}
shutdown: {linger: 0s}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadClient(file, config.Options{
		Env: env("PARLEY_REDIS_ADDRS", " 10.0.0.3:6379 , ,10.0.0.4:6379", "PARLEY_TENANTS", "globex,initech", "PARLEY_HTTP_LISTEN", ":80",
			"PARLEY_REGISTRY_NACOS_PASSWORD", "plain", "PARLEY_LIMITS_WAITING", "7", "PARLEY_HTTP_DEBUG", "", "PARLEY_RPC_INSECURE", "true", "PARLEY_SHUTDOWN_GRACE", "1m30s",
			"PARLEY_SERVICE_HOST", "10.0.0.9", "PARLEY_TEST_NACOS", "x"),
		Secrets: resolver(map[string]string{"env:REDIS_PASSWORD": "r"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config.DefaultClient()
	want.HTTP.Listen = ":80"
	want.Redis.Addrs = []string{"10.0.0.3:6379", "10.0.0.4:6379"}
	want.Redis.Password = config.Credential{Ref: "env:REDIS_PASSWORD", Secret: chat.NewSecret("r")}
	want.Registry = config.Registry{Mode: "direct", Direct: []string{"10.0.0.1:6379", "10.0.0.2:6379"},
		Nacos: config.Nacos{Addrs: []string{"n:1"}, Password: config.Credential{Secret: chat.NewSecret("plain")}}}
	want.RPC.Insecure = true
	want.Tenants = []string{"globex", "initech"}
	want.Platforms.WeCom = "http://127.0.0.1:7000"
	want.Limits = config.ClientLimits{Turns: 1000, Waiting: 7}
	want.Shutdown = config.Shutdown{Grace: 90 * time.Second}
	if diff := diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEnvironmentFaults(t *testing.T) {
	_, err := config.LoadClient("", config.Options{Env: env(
		"PARLEY_LIMITS_TURNS", "many", "PARLEY_RPC_INSECURE", "1", "PARLEY_REDIS_ADDRS", "here", "PARLEY_REDIS_PASSWORD", "env:NONE",
		"PARLEY_SHUTDOWN_GRACE", "20", "PARLEY_TENANTS", "acme,NO"), Secrets: resolver(nil)})
	want := strings.TrimSpace(`
PARLEY_LIMITS_TURNS: limits.turns: "many" is not a whole number; write digits alone, as in 100
PARLEY_REDIS_ADDRS: redis.addrs[0]: "here" is not host:port; write where Redis listens, as in [127.0.0.1:6379]
PARLEY_RPC_INSECURE: rpc.insecure: "1" is neither true nor false; write one of the two
PARLEY_SHUTDOWN_GRACE: shutdown.grace: "20" is not a length of time; write a number with its unit, as in 20s or 2m
PARLEY_TENANTS: tenants[1]: "NO" is not a tenant's name; names are made of a-z, 0-9 and -, at most 32`)
	if err == nil {
		t.Fatal("no fault")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestEveryKeyHasItsVariable walks over all keys: each can be set from the environment, and no two share a variable.
func TestEveryKeyHasItsVariable(t *testing.T) {
	for _, start := range []any{config.DefaultClient(), config.DefaultServer()} {
		seen := map[string]string{}
		walk(reflect.ValueOf(start).Elem(), "", func(path string, v reflect.Value) {
			name := config.EnvName(path)
			if other, taken := seen[name]; taken {
				t.Errorf("%s and %s are both %s", path, other, name)
			}
			seen[name] = path
			switch v.Interface().(type) {
			case string, int, bool, time.Duration, []string, config.Credential:
			default:
				t.Errorf("%s has the type %s, which no variable can set", path, v.Type())
			}
		})
		if len(seen) < 15 {
			t.Errorf("only %d keys", len(seen))
		}
	}
	if got := config.EnvName("registry.nacos.tls.ca"); got != "PARLEY_REGISTRY_NACOS_TLS_CA" {
		t.Error(got)
	}
}

func walk(v reflect.Value, path string, leaf func(string, reflect.Value)) {
	for i := range v.NumField() {
		at := strings.TrimPrefix(path+"."+v.Type().Field(i).Tag.Get("yaml"), ".")
		if _, ok := v.Field(i).Interface().(config.Credential); v.Field(i).Kind() == reflect.Struct && !ok {
			walk(v.Field(i), at, leaf)
		} else {
			leaf(at, v.Field(i))
		}
	}
}

func TestAbsentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	for name, err := range map[string]error{
		"client": func() error { _, err := config.LoadClient(path, config.Options{}); return err }(),
		"server": func() error { _, err := config.LoadServer(path, config.Options{}); return err }(),
		"either": func() error { _, err := config.Load(path, config.Options{}); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), path+": does not exist; check the path") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := config.LoadClient(t.TempDir(), config.Options{}); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a folder: %v", err)
	}
}

func TestCredentialDoesNotPrint(t *testing.T) {
	c := config.DefaultClient()
	c.Redis.Password = config.Credential{Secret: chat.NewSecret("hunter2")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := strings.Join([]string{fmt.Sprintf(format, c), fmt.Sprintf(format, *c), fmt.Sprintf(format, c.Redis.Password)}, ""); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints the secret", format)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.9.9.9": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false, "": false, "localhost.example.com:1": false,
	} {
		if got := config.Loopback(addr); got != want {
			t.Errorf("%q: %v", addr, got)
		}
	}
}
