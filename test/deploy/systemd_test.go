package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// units are those of deploy/systemd as they are installed, with the seconds that a stop may take: a server's streams run on for 190 s, a client
// service has its linger and grace and a whole turn.
var units = map[string]struct {
	installed string
	role      string
	stop      int
}{
	"parley-client@.service": {"parley-client@acme.service", "client", 180 + 5 + 2 + 20},
	"parley-server@.service": {"parley-server@1.service", "server", 190 + 10},
	"parley-console.service": {"parley-console.service", "console", 10},
}

// unit is a unit's settings; a setting that stands there several times has all its values.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(deployDir, "systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

func (u unit) one(key string) string {
	if len(u[key]) != 1 {
		return ""
	}
	return u[key][0]
}

func TestUnitsGiveTurnsTheirTime(t *testing.T) {
	for name, want := range units {
		u := readUnit(t, name)
		if stop, err := strconv.Atoi(u.one("TimeoutStopSec")); err != nil || stop < want.stop {
			t.Errorf("%s is killed after %q seconds, and may need %d", name, u.one("TimeoutStopSec"), want.stop)
		}
		if files, err := strconv.Atoi(u.one("LimitNOFILE")); err != nil || files < 65536 {
			t.Errorf("%s may open %q files", name, u.one("LimitNOFILE"))
		}
		if u.one("Restart") != "always" || u.one("MemoryMax") == "" || u.one("User") != "parley" {
			t.Errorf("%s: Restart=%s MemoryMax=%s User=%s", name, u.one("Restart"), u.one("MemoryMax"), u.one("User"))
		}
		words := strings.Fields(u.one("ExecStart"))
		if len(words) != 4 || words[1] != want.role || words[2] != "--config" || !strings.HasPrefix(words[3], u.one("BindReadOnlyPaths")+"/") {
			t.Errorf("%s runs %q, and sees %s", name, words, u.one("BindReadOnlyPaths"))
		}
	}
}

// TestUnitsPassSystemd has systemd itself read the units, and judge how much of the machine they leave open.
func TestUnitsPassSystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed: the units are NOT read by systemd")
	}
	dir := t.TempDir()
	for name, u := range units {
		raw, err := os.ReadFile(filepath.Join(deployDir, "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		installed := filepath.Join(dir, u.installed)
		text := strings.ReplaceAll(string(raw), "/usr/local/bin/parley", "/bin/true") // it must be there
		if err := os.WriteFile(installed, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"verify", "--man=no", installed}, {"security", "--offline=true", "--threshold=20", installed}} {
			if out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
				t.Errorf("systemd-analyze %s %s: %v\n%s", args[0], name, err, out)
			}
		}
	}
}
