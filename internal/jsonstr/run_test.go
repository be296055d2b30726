package jsonstr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// runes is Run, character by character.
func runes(s string) int {
	for i, r := range s {
		if _, n := utf8.DecodeRuneInString(s[i:]); r < 32 || r == '"' || r == '\\' || r == utf8.RuneError && n == 1 {
			return i
		}
	}
	return len(s)
}

func FuzzRun(f *testing.F) {
	for _, s := range []string{
		"", "a", "\x1f", "\x7f", `\`, `"`, "plain text of ASCII only, long enough", `eight by"quote`, "\xff", "é", "汉", "汉字", "汉字很多的一行，没有别的。",
		"汉字很多的一行，没有\n别的。", "中文 and English 混在一起，还有 😀 与 ½。", "\u0800\ud7ff\ue000\uffff\u2028", "\xe0\x80\x80汉字汉字汉字汉", "\xed\xa0\x80汉字汉字汉字汉",
		"汉字汉字汉字汉\xed\xa0\x80", "汉字汉字汉字汉\xe0\x9f\xbf", "汉字汉\xed\xa0\x80字汉字汉", "汉字汉字汉字汉\xe6\xb1", "\x80\x80\x80\x80\x80\x80\x80\x80", strings.Repeat("한국어", 9),
	} {
		f.Add(s)
		f.Add(strings.Repeat("字", 9) + s)
		f.Add(s + strings.Repeat("字", 9))
	}
	f.Fuzz(func(t *testing.T, s string) {
		for from := range min(len(s), 25) {
			if got, want := Run(s[from:]), runes(s[from:]); got != want {
				t.Fatalf("%q: %d, want %d", s[from:], got, want)
			}
		}
		if got, want := Valid(s), utf8.ValidString(s); got != want {
			t.Fatalf("%q: valid %v, want %v", s, got, want)
		}
	})
}

// At each place of a row of characters, each byte.
func TestRunAtEachByte(t *testing.T) {
	t.Parallel()
	row := []byte(strings.Repeat("字", 12))
	for i := range row {
		was := row[i]
		for b := range 256 {
			row[i] = byte(b)
			if got, want := Run(string(row)), runes(string(row)); got != want {
				t.Fatalf("%x: %d, want %d", row, got, want)
			}
		}
		row[i] = was
	}
}

func BenchmarkRun(b *testing.B) {
	for name, s := range map[string]string{
		"Chinese": strings.Repeat("每一行都有二十来个字，其中有些标点，没有别的。", 30),
		"mixed":   strings.Repeat("用 Go 写的 RPC 服务，有 **3** 个实例；\u201c引号\u201d里也有字……", 20),
		"ASCII":   strings.Repeat("A line of English text, of common length. ", 40),
	} {
		for how, f := range map[string]func(string) int{
			"run": Run, "utf8": func(s string) int { _ = utf8.ValidString(s); return len(s) },
		} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.SetBytes(int64(len(s)))
				for b.Loop() {
					if f(s) != len(s) {
						b.Fatal("it is not plain")
					}
				}
			})
		}
	}
}
