package sim_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"parley/internal/sim"
)

// FuzzScanner: a document passes if encoding/json takes it, and a text says what it says there.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e3,true,null],"b":{"c":"d"}}`, `"a\"\\\/\b\f\n\r\té😀"`, "\"a\nb\"", `"\x"`, `"a`, `[1,]`, `{"a":01}`, `{} {}`, ` [ ] `, ``, `{"a" 1}`, `tru`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		s := sim.NewScanner([]byte(document))
		_, err := s.Raw()
		if passes := err == nil && s.End(); passes != json.Valid([]byte(document)) {
			t.Errorf("%q: valid %v, the scanner says %v", document, json.Valid([]byte(document)), err)
		}
		var want string
		if json.Unmarshal([]byte(document), &want) != nil || document[0] != '"' || !utf8.ValidString(document) {
			return // the scanner leaves bytes that are no text as they are
		}
		asBytes, _ := json.Marshal(want)
		got, err := sim.NewScanner([]byte(document)).Text()
		gotBytes, _ := json.Marshal(got)
		if err != nil || string(gotBytes) != string(asBytes) {
			t.Errorf("%q says %q, want %q; error %v", document, got, want, err)
		}
	})
}
