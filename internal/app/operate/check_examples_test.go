package operate_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
)

// TestExamplesOfChannels: every example in configs/channels is a document that Parley takes.
func TestExamplesOfChannels(t *testing.T) {
	files, err := filepath.Glob("../../../configs/channels/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var out bytes.Buffer
			err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, []string{file}, false)
			if err != nil || !strings.Contains(out.String(), "ok (tenant)") || strings.Contains(out.String(), "warning") {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
}
