package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const project = "../.."

// release runs scripts/release of a tree for this machine's system, and gives the folder of what it made.
func release(t *testing.T, tree string, env ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(tree, "scripts/release"), "v1.2.3", out)
	cmd.Env = append(os.Environ(), "TARGETS=linux/"+runtime.GOARCH, "CHART=no")
	cmd.Env = append(cmd.Env, env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release: %v\n%s", err, text)
	}
	return out
}

// TestAReleaseIsTheSameWhereverItIsMade makes one here, and one from a copy in another folder by somebody who has other settings of Go.
func TestAReleaseIsTheSameWhereverItIsMade(t *testing.T) {
	here := release(t, project)
	elsewhere := t.TempDir()
	copied := exec.CommandContext(t.Context(), "bash", "-c",
		"tar -cf - go.mod go.sum api cmd internal scripts | tar -xf - -C "+elsewhere)
	copied.Dir = project
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sums := func(dir string) string {
		raw, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if a, b := sums(here), sums(release(t, elsewhere, "GOFLAGS=-tags=other", "GOAMD64=v3", "GOARM64=v9.0", "CGO_ENABLED=1", "TZ=Asia/Shanghai")); a != b || strings.Count(a, "\n") != 2 {
		t.Errorf("made here:\n%smade in another folder:\n%s", a, b)
	}
	binary := filepath.Join(here, "parley-v1.2.3-linux-"+runtime.GOARCH)
	if out, err := exec.CommandContext(t.Context(), binary, "version").Output(); err != nil || string(out) != "parley v1.2.3\n" {
		t.Errorf("it says %q, %v", out, err)
	}
	billNamesAll(t, binary)
}

// billNamesAll holds the bill of materials to what Go's own tool reads from the binary.
func billNamesAll(t *testing.T, binary string) {
	t.Helper()
	raw, err := os.ReadFile(binary + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BomFormat, SpecVersion, SerialNumber string
		Components                           []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(raw, &bill); err != nil {
		t.Fatal(err)
	}
	uuid := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if bill.BomFormat != "CycloneDX" || bill.SpecVersion != "1.6" || !uuid.MatchString(bill.SerialNumber) {
		t.Errorf("%s %s %s", bill.BomFormat, bill.SpecVersion, bill.SerialNumber)
	}
	listed := map[string]bool{}
	for _, c := range bill.Components {
		listed[c.Name+" "+c.Version] = true
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%s has the address %s", c.Name, c.PURL)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "dep" && f[0] != "=>" {
			continue
		}
		modules++
		if !listed[f[1]+" "+f[2]] {
			t.Errorf("%s %s is in the binary and not in the bill", f[1], f[2])
		}
	}
	if modules < 20 || len(bill.Components) != modules+1 { // and the standard library
		t.Errorf("%d modules, %d of them listed", modules, len(bill.Components))
	}
}

// TestTheImageHasTheReleasesBinary: the same flags, so the same bytes.
func TestTheImageHasTheReleasesBinary(t *testing.T) {
	flags := regexp.MustCompile(`go build (-trimpath .*) -o`)
	var found []string
	for _, name := range []string{"deploy/Dockerfile", "scripts/release"} {
		raw, err := os.ReadFile(filepath.Join(project, name))
		if err != nil {
			t.Fatal(err)
		}
		m := flags.FindStringSubmatch(string(raw))
		if m == nil {
			t.Fatalf("%s builds nothing", name)
		}
		found = append(found, strings.NewReplacer("${VERSION}", "V", "$version", "V").Replace(m[1]))
	}
	if found[0] != found[1] {
		t.Errorf("the image is built with %s, a release with %s", found[0], found[1])
	}
}

func TestAReleaseHasAVersion(t *testing.T) {
	for _, version := range []string{"1.2.0", "latest", "v1.2", "v1.2.0 x", "v1.2.0/../x"} {
		cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(project, "scripts/release"), version, t.TempDir())
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "must be like v1.2.0") {
			t.Errorf("%q: %v, %s", version, err, out)
		}
	}
}

// TestActionsAreNamedByCommit: a tag of somebody else's repository can be moved to other code, which would run with our rights.
func TestActionsAreNamedByCommit(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(project, ".github/workflows/*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	commit := regexp.MustCompile(`@[0-9a-f]{40}$`)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`uses: ([^./\s]\S*)`).FindAllStringSubmatch(string(raw), -1) {
			if !commit.MatchString(m[1]) {
				t.Errorf("%s takes %s by a name that can be moved", filepath.Base(file), m[1])
			}
		}
	}
}
