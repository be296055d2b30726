package channel

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"ip 203.0.113.7 不可信":           "ip 203.0.113.7 不可信",
		"a\nlevel=ERROR \x1b[31m":      "a level=ERROR  [31m",
		strings.Repeat("长", 101):       strings.Repeat("长", 100) + "…",
		strings.Repeat("x", 300):       strings.Repeat("x", 300),
		"x" + strings.Repeat("长", 100): "x" + strings.Repeat("长", 99) + "…", // nothing is cut in two
	} {
		if got := Printable(in); got != want || !utf8.ValidString(got) {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}
