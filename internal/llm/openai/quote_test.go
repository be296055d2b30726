package openai

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "你好，世界", "a\"b\\c/d", "\x00\x01\b\f\n\r\t\x1f\x7f", "<a href='x'>&</a>", "\u2028\u2029\u2027", "\xff\xe4\xbd", "\xe4\xbd好",
		"😀é\ufffd", "\xed\xa0\x80", "\xe3\x80", "\xe9\xbf\xbf\xc0\x80", "\xe4\xc0\x80", "\xe4\x80\xc0", "a\xe4\xff\xffb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := appendQuoted(nil, s); string(got)+"\n" != want.String() {
			t.Errorf("got %s, want %s", got, &want)
		}
	})
}

func BenchmarkQuote(b *testing.B) {
	text := essay(600, 3)
	var buf []byte
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf = appendQuoted(buf[:0], text)
	}
}
