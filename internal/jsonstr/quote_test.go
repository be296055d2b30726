package jsonstr

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzQuote holds our strings against the standard library's.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{
		"", "你好，世界", "a\"b\\c/d", "\x00\x01\b\f\n\r\t\x1f\x7f", "<a href='x'>&</a>", "\u2028\u2029\u2027", "\xff\xe4\xbd", "\xe4\xbd好", "😀é\ufffd",
		"\xed\xa0\x80", "\xe3\x80", "\xe9\xbf\xbf\xc0\x80", "\xe4\xc0\x80", "\xe4\x80\xc0", "a\xe4\xff\xffb", "👩‍👩‍👧", strings.Repeat("x", 1000),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendQuoted([]byte("before"), s)
		var got, want string
		if err := json.Unmarshal(b[len("before"):], &got); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q was written as %q: %v", s, b, err)
		}
		common, _ := json.Marshal(s) // which makes U+FFFD of each byte that is no UTF-8
		if err := json.Unmarshal(common, &want); err != nil || got != want {
			t.Errorf("%q was written as %s, want %s", s, b, common)
		}
	})
}

func BenchmarkQuote(b *testing.B) {
	text := strings.Repeat("每一行都有二十来个字，其中有**粗体**与标点。\n", 27)
	var buf []byte
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf = AppendQuoted(buf[:0], text)
	}
}
