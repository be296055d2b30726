package operate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"parley/internal/app/wire"
	"parley/internal/redisstore"
)

// TestDeadLettersOfALaterFormat: what a later release keeps is neither shown as it seems nor touched.
func TestDeadLettersOfALaterFormat(t *testing.T) {
	mr := miniredis.RunT(t)
	if err := mr.Set("parley:format", "7 6"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.yaml")
	text := fmt.Sprintf("redis: {addrs: [%q]}\nregistry: {mode: direct, direct: [\"127.0.0.1:1\"]}\nlive: {source: file, dir: %q}\ntenants: [acme]\n", mr.Addr(), t.TempDir())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := mr.Dump()
	env, all := wire.Env{Stdout: io.Discard, Stderr: io.Discard}, DeadOptions{Tenant: "acme"}
	for name, err := range map[string]error{
		"dead":  Dead(t.Context(), env, file, all, false),
		"retry": Retry(t.Context(), env, file, all),
		"drop":  Drop(t.Context(), env, file, all),
	} {
		if _, ok := errors.AsType[*redisstore.FormatError](err); !ok || wire.ExitCode(err) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, mr.Dump()); diff != "" {
		t.Error(diff)
	}
}
