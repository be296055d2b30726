package operate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifference(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"nothing":    {"a\nb\n", "a\nb\n", ""},
		"new":        {"", "a\nb\n", "+ a|+ b"},
		"all gone":   {"a\n", "", "- a"},
		"one line":   {"a\nb\nc\nd\ne\n", "a\nb\nx\nd\ne\n", "  b|- c|+ x|  d"},
		"two places": {"a\nb\nc\nd\ne\nf\ng\n", "x\nb\nc\nd\ne\nf\ny\n", "- a|+ x|  b|  …|  f|- g|+ y"},
		"moved up":   {"s:\na\nb\nc\n", "s:\nc\na\nb\n", "  s:|+ c|  a|  b|- c"},
		"several switches": {"- id: a\n  active: true\n  to: x\n  by: li\n- id: b\n  active: true\n  to: y\n  by: li\n",
			"- id: a\n  active: false\n  to: x\n  by: li\n- id: b\n  active: false\n  to: y\n  by: li\n",
			"  - id: a|-   active: true|+   active: false|    to: x|  …|  - id: b|-   active: true|+   active: false|    to: y"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(strings.TrimRight(difference([]byte(test.old), []byte(test.new)), "\n"), "\n", "|")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
