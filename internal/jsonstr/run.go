// Package jsonstr reads and writes what stands between the quotes of JSON strings, many bytes at once: whole conversations go through each step of a
// turn, and encoding/json and unicode/utf8 look at each character of Chinese by itself.
package jsonstr

import "unicode/utf8"

const (
	ones = 0x0101010101010101
	high = 0x8080808080808080

	// In a row of characters of three bytes: those bytes of the first, second and third eight that begin one.
	starts0 = 0x0001000001000001
	starts1 = 0x0100000100000100
	starts2 = 0x0000010000010000
)

// Run is the length in bytes of the longest beginning of s that stands for itself in a JSON string: UTF-8 without quotes, backslashes and control
// characters below U+0020. Eight characters of three bytes, which is most of Chinese, or eight of ASCII are looked at together.
func Run(s string) int {
	i := 0
	for i < len(s) {
		from := i
		if s[i] < utf8.RuneSelf {
			for i+8 <= len(s) && ascii(eight(s, i)) {
				i += 8
			}
			for i < len(s) && stands(s[i]) {
				i++
			}
		} else {
			for i+24 <= len(s) && threes(eight(s, i), starts0) && threes(eight(s, i+8), starts1) && threes(eight(s, i+16), starts2) {
				i += 24
			}
			for i+8 <= len(s) && threes(eight(s, i)&0xffff_ffff_ffff|0x80e1<<48, starts0) { // two characters, and a third that is right
				i += 6
			}
			for i+3 <= len(s) && s[i] > 0xe0 && s[i] < 0xf0 && s[i] != 0xed && s[i+1]&s[i+2]&0xc0 == 0x80 && (s[i+1]|s[i+2])&0x40 == 0 {
				i += 3
			}
		}
		if i > from {
			continue
		}
		if s[i] < utf8.RuneSelf {
			return i
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return i
}

// Valid is utf8.ValidString(s).
func Valid(s string) bool {
	for {
		s = s[Run(s):]
		if s == "" {
			return true
		}
		if s[0] >= utf8.RuneSelf {
			return false
		}
		s = s[1:]
	}
}

func eight(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// threes says that characters of three bytes begin at the bytes of starts, and go on at all others. It does not know all: after 0xE0 and 0xED
// some second bytes are wrong.
func threes(w, starts uint64) bool {
	low := w & (15 * starts)
	return w&(0xf0*starts|0xc0*(ones-starts)) == 0xe0*starts|0x80*(ones-starts) &&
		(low+15*starts)&((low^13*starts)+15*starts)&(16*starts) == 16*starts // neither 0 nor 13
}

// ascii says that eight characters stand for themselves.
func ascii(w uint64) bool {
	quotes, slashes := w^'"'*ones, w^'\\'*ones
	return (w|(w-32*ones)|(quotes-ones)|(slashes-ones))&high == 0
}

func stands(c byte) bool { return c >= 32 && c < utf8.RuneSelf && c != '"' && c != '\\' }
