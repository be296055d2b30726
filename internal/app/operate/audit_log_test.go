package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/config"
)

// auditFile is a client.yaml over addr whose documents are files, with the routes of two providers.
func auditFile(t *testing.T, addr string) string {
	t.Helper()
	dir := t.TempDir()
	routes := "providers:\n  a: {dialect: simulated}\n  b: {dialect: simulated}\nmodels:\n  chat: [a/one, b/two]\n"
	text := fmt.Sprintf("redis: {addrs: [%q]}\nregistry: {mode: direct, direct: [\"127.0.0.1:1\"]}\nlive: {source: file, dir: %q}\ntenants: [acme]\n", addr, dir)
	for name, content := range map[string]string{"client.yaml": text, "parley-routes.yaml": routes, "tenant.acme.yaml": "name: acme\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "client.yaml")
}

// said runs a command and returns what it printed.
func said(t *testing.T, f func(context.Context, wire.Env) error) (stdout, stderr string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = f(t.Context(), wire.Env{Stdout: &out, Stderr: &log})
	return out.String(), log.String(), err
}

// TestAuditOfTheSwitch: what an operator does to the switch stands in the log with its reason, and again on stderr with its place and hash.
func TestAuditOfTheSwitch(t *testing.T) {
	file := auditFile(t, miniredis.RunT(t).Addr())
	_, _, err := said(t, func(ctx context.Context, env wire.Env) error {
		return Degrade(ctx, env, file, DegradeOptions{To: "b", Reason: "a fails", Force: true})
	})
	if err == nil || !strings.Contains(err.Error(), "published") { // nobody has it: there is no server
		t.Fatal(err)
	}
	_, stderr, err := said(t, func(ctx context.Context, env wire.Env) error {
		env.By, env.Via = "alice", audit.ViaConsole
		return Restore(ctx, env, file, RestoreOptions{Reason: "a is back"})
	})
	if err == nil || !strings.Contains(err.Error(), "published") {
		t.Fatal(err)
	}
	var line struct {
		Seq  int64
		Hash string
	}
	if err := json.Unmarshal([]byte(stderr), &line); err != nil || line.Seq != 2 {
		t.Fatalf("%v: %s", err, stderr)
	}
	show := func(o AuditOptions) (string, string, error) {
		return said(t, func(ctx context.Context, env wire.Env) error { return Audit(ctx, env, file, o, false) })
	}
	out, _, err := show(AuditOptions{Anchor: fmt.Sprintf("%d:%s", line.Seq, line.Hash)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a fails", "forced_in_spite_of=", "to=b", "alice", "console", "a is back", operator()} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if _, stderr, err = show(AuditOptions{Anchor: fmt.Sprintf("1:%s", line.Hash)}); err == nil || !strings.Contains(stderr, "written anew") {
		t.Errorf("with another's hash as anchor: %v, %s", err, stderr)
	}
}

// TestAuditTampered: an entry changed in Redis makes `parley audit` fail, and name the place.
func TestAuditTampered(t *testing.T) {
	mr := miniredis.RunT(t)
	file := auditFile(t, mr.Addr())
	cfg, err := config.LoadClient(file, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, _, err := said(t, func(ctx context.Context, env wire.Env) error {
			recordFor(ctx, env, config.Either{Client: cfg}, audit.Entry{Action: "drop", Reason: fmt.Sprint("reason ", i)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	key := "parley:1:{OPERATORS}:audit"
	entries, err := mr.Stream(key)
	if err != nil || len(entries) != 3 {
		t.Fatal(entries, err)
	}
	mr.Del(key)
	for _, e := range entries {
		if _, err := mr.XAdd(key, e.ID, []string{"e", strings.Replace(e.Values[1], "reason 1", "reason 7", 1)}); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr, err := said(t, func(ctx context.Context, env wire.Env) error { return Audit(ctx, env, file, AuditOptions{}, false) })
	if err == nil || !strings.Contains(stderr, "entry 3: ") {
		t.Errorf("%v: %s", err, stderr)
	}
}
