package interop

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"parley/test/rig"
)

// exitMissing is install's exit status where a tool of the machine is missing.
const exitMissing = 3

// Installed gives the folder of an SDK, which it installs if it is not there; name is one of those in the script install. Where that cannot be
// done the test is skipped, loudly, and fails where CI is true.
func Installed(t testing.TB, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("other makers' SDKs take their time")
	}
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "test", "interop", "install"), name)
	said, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return filepath.Join(root, ".cache", "interop", name)
	case ended && exit.ExitCode() != exitMissing || os.Getenv("CI") == "true":
		t.Fatalf("installing %s: %v\n%s", name, err, said)
	}
	t.Skipf("NOT TESTED WITH %s: %v: %s", name, err, bytes.TrimSpace(said))
	return ""
}
