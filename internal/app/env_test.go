package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestWarnOfVariables: a misspelled variable is said at start, without its value.
func TestWarnOfVariables(t *testing.T) {
	t.Setenv("PARLEY_REDIS_ADRS", "hunter2:6379")
	var out bytes.Buffer
	warnOfVariables(slog.New(slog.NewTextHandler(&out, nil)))
	if s := out.String(); !strings.Contains(s, "level=WARN") || !strings.Contains(s, "did you mean PARLEY_REDIS_ADDRS?") || strings.Contains(s, "hunter2") {
		t.Errorf("it says %q", s)
	}
}
