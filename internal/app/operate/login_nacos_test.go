package operate_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/test/realdeps"
)

// TestWithoutLogin runs the commands against a Nacos that wants a login: whoever has none, or a wrong one, is told so, and which keys set it.
func TestWithoutLogin(t *testing.T) {
	if os.Getenv("PARLEY_TEST_NACOS") == "" {
		t.Skip("PARLEY_TEST_NACOS is not set: NOT tested against a real Nacos of its own (make test does)")
	}
	if elsewhere(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	n, err := realdeps.StartNacos(ctx, realdeps.Nacos{Dir: t.TempDir(), Auth: true, Password: "right"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	t.Setenv("NACOS_PASSWORD", "wrong")
	for name, login := range map[string]string{"none": "", "wrong": ", username: nacos, password: env:NACOS_PASSWORD"} {
		path := filepath.Join(t.TempDir(), "server.yaml")
		put(t, path, "rpc: {insecure: true}\nlive: {source: nacos}\nregistry: {mode: nacos, nacos: {addrs: ["+n.Addr+"]"+login+"}}\n")
		env := wire.Env{Stdout: io.Discard, Stderr: io.Discard}
		for command, run := range map[string]func() error{
			"check":   func() error { return operate.Check(ctx, env, []string{path}, true) },
			"status":  func() error { return operate.Status(ctx, env, path, false) },
			"degrade": func() error { return operate.Degrade(ctx, env, path, operate.DegradeOptions{To: "chatglm"}) },
		} {
			said := errText(run())
			if !strings.Contains(said, "set registry.nacos.username and password") || !strings.Contains(said, n.Addr) {
				t.Errorf("%s with login %q says only: %s", command, name, said)
			}
			for _, astray := range []string{"firewall", "start it", "deadline"} {
				if strings.Contains(said, astray) {
					t.Errorf("%s with login %q leads astray: %s", command, name, said)
				}
			}
		}
	}
}
