package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/config"
)

// TestConsole: what would let passwords pass in the clear, or nobody in, is refused with how to mend it.
func TestConsole(t *testing.T) {
	const user = "users: [{name: lin, role: admin, password: file:lin}]\n"
	const files = "http: {listen: ':8090', tls: {cert: c.pem, key: k.pem}}\n"
	for name, tc := range map[string]struct{ yaml, fault string }{
		"loopback":                 {user, ""},
		"nobody":                   {"look: false", "users: is empty: nobody could log in"},
		"a role that is none":      {"users: [{name: lin, role: root, password: file:lin}]", `:1: users[0].role: "root" is no role; write viewer, operator or admin`},
		"a password itself":        {"users: [{name: lin, role: admin, password: hunter2}]", "users[0].password: is a literal"},
		"no password":              {"users: [{name: lin, role: admin}]", "users[0].password: is missing"},
		"what is no hash":          {"users: [{name: lin, role: admin, password: file:plain}]", "users[0].password: holds no hash of a password"},
		"what is not there":        {"users: [{name: lin, role: admin, password: env:NONE}]", "users[0].password: is not set on this machine"},
		"twice":                    {"users: [{name: lin, role: admin, password: file:lin}, {name: LIN, role: viewer, password: file:lin}]", `users[1].name: "LIN" stands twice`},
		"a name with a space":      {"users: [{name: a b, role: admin, password: file:lin}]", `users[0].name: "a b" is no user's name`},
		"users that are no list":   {"users: {lin: admin}", "users: is not a list"},
		"a key that is unknown":    {"users: [{name: lin, role: admin, password: file:lin, pin: 1}]", "users[0].pin: unknown key"},
		"plain beyond loopback":    {user + "http: {listen: ':8090'}", ":2: http.listen: :8090 is reachable from other machines"},
		"beyond it by a proxy":     {user + "http: {listen: ':8090'}\npublic_url: https://ops.example.com\nproxies: [10.0.0.0/24]", ""},
		"beyond it by tls":         {user + files + "public_url: https://ops.example.com", ""},
		"beyond it without a name": {user + files, "http.listen: :8090 is reachable"},
		"https that nobody ends":   {user + "public_url: https://ops.example.com", "public_url: is https, and nobody here ends it"},
		"a plain name":             {user + "public_url: http://ops.example.com", "public_url: is not https"},
		"half of tls":              {user + "http: {tls: {cert: c.pem}}", "http.tls: is half of it"},
		"a proxy that is none":     {user + "proxies: [nginx]", `proxies[0]: "nginx" is neither an IP address nor a network`},
		"a session of no time":     {user + "session: {idle: 0s}", "session.idle: 0s is not between 1m0s and 24h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "console.yaml")
			if err := os.WriteFile(file, []byte(tc.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			elsewhere := strings.Contains(tc.yaml, ".pem")
			_, err := config.LoadConsole(file, config.Options{Env: env(), Elsewhere: elsewhere,
				Secrets: resolver(map[string]string{"file:lin": config.HashPrefix + "v=19$…", "file:plain": "hunter2"})})
			switch {
			case tc.fault == "" && err != nil:
				t.Error(err)
			case tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)):
				t.Errorf("got %v, want %q", err, tc.fault)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("it repeats a password: %v", err)
			}
		})
	}
}

// TestLoadConsoleAsEither: commands take a console.yaml by its name and by its keys.
func TestLoadConsoleAsEither(t *testing.T) {
	for _, name := range []string{"console.yaml", "ops.yaml"} {
		file := filepath.Join(t.TempDir(), name)
		content := "redis: {addrs: [127.0.0.1:6399]}\ntenants: [acme]\nusers: [{name: lin, role: admin, password: file:lin}]\n"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := config.Load(file, config.Options{Env: env()})
		if err != nil || e.Console == nil || e.Redis().Addrs[0] != "127.0.0.1:6399" || len(e.Tenants()) != 1 {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
