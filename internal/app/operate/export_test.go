package operate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/app/wire"
)

func TestExport(t *testing.T) {
	file, dir := auditFile(t, "127.0.0.1:1"), filepath.Join(t.TempDir(), "kept")
	export := func() (string, string, error) {
		return said(t, func(ctx context.Context, env wire.Env) error { return Export(ctx, env, file, dir) })
	}
	out, _, err := export()
	if err != nil || strings.Count(out, "\n") != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"parley-routes.yaml", "tenant.acme.yaml"} {
		want, _ := os.ReadFile(filepath.Join(filepath.Dir(file), name))
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != string(want) || len(got) == 0 {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Error("left behind:", left)
	}
	for _, name := range []string{"parley-routes.yaml", "tenant.acme.yaml"} {
		if err := os.Remove(filepath.Join(filepath.Dir(file), name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := export(); err == nil || !strings.Contains(err.Error(), "there is no document") {
		t.Error("of an empty source:", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tenant.acme.yaml")); err != nil {
		t.Error("an empty source took the backup with it:", err)
	}
}
