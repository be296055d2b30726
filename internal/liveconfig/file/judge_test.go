package file

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJudge: "-" is an absent file; what is told is what looked the same twice, and the first look.
func TestJudge(t *testing.T) {
	for _, tc := range []struct{ name, looks, told string }{
		{"nothing changes", "a a a", "a"},
		{"absent at first", "- - a a", "- a"},
		{"a change", "a b b b", "a b"},
		{"a writer halfway", "a b bc bcd bcd", "a bcd"},
		{"removed and created", "a - b b", "a b"},
		{"removed", "a - - -", "a -"},
		{"there and back", "a b a a", "a"},
		{"again and again", "a b b a a b b", "a b a b"},
		{"an empty file is not an absent one", "a e e - -", "a e -"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j judge
			var told []string
			for look := range strings.FieldsSeq(tc.looks) {
				s := state{content: []byte(look), exists: true}
				switch look {
				case "-":
					s = state{}
				case "e":
					s.content = nil
				}
				if j.tell(s) {
					told = append(told, look)
				}
			}
			if diff := cmp.Diff(strings.Fields(tc.told), told); diff != "" {
				t.Error(diff)
			}
		})
	}
}
