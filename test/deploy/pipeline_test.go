package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestPipelinesRunWhatIsThere reads every pipeline: each runs .ci/run and makes releases twice, and each script that one names exists. What their
// services make of them only those can tell; actionlint reads GitHub's in scripts/check.
func TestPipelinesRunWhatIsThere(t *testing.T) {
	script := regexp.MustCompile(`(?:^|[\s(])((?:scripts|deploy|\.ci)/[A-Za-z./-]+)`)
	for name, files := range map[string][]string{
		"GitHub":  {".github/workflows/ci.yml", ".github/workflows/release.yml"},
		"Yunxiao": {"deploy/yunxiao/pipeline.yml"},
	} {
		var all strings.Builder
		for _, f := range files {
			raw, err := os.ReadFile(filepath.Join(project, f))
			if err != nil {
				t.Fatal(err)
			}
			var any map[string]any
			if err := yaml.Unmarshal(raw, &any); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			all.Write(raw)
		}
		text := all.String()
		for _, m := range script.FindAllStringSubmatch(text, -1) {
			exists(t, name, filepath.Join(project, m[1]))
		}
		for _, want := range []string{".ci/run", "scripts/release", "diff release/SHA256SUMS again/SHA256SUMS", "deploy/Dockerfile", "push"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not have %s", name, want)
			}
		}
	}
}
