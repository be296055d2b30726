package moderation

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// What a character is to the comparison.
const (
	invisible = rune(-1) // nothing: format characters, accents
	separator = rune(' ')
)

// fold calls f with the normal form of a character: a letter or digit, or separator; not at all if it is invisible. Some characters are several.
func fold(r rune, f func(rune)) {
	if r < 0x80 {
		if n := foldASCII(r); n != invisible {
			f(n)
		}
		return
	}
	if han(r) {
		f(r)
		return
	}
	var buf [utf8Max]byte
	n := copy(buf[:], string(r))
	for _, d := range string(norm.NFKD.Bytes(buf[:n])) { // each character by itself: a stream has no end to wait for
		if d < 0x80 {
			d = foldASCII(d)
		} else {
			d = foldWide(d)
		}
		if d != invisible {
			f(d)
		}
	}
}

const utf8Max = 4

func foldASCII(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return r
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A'
	case r < ' ' && r != '\n' && r != '\t' && r != '\r', r == 0x7f:
		return invisible
	default:
		return separator
	}
}

func foldWide(r rune) rune {
	switch {
	case unicode.IsLetter(r), unicode.IsDigit(r):
		return unicode.ToLower(r)
	case unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Cc), r == 0x3164, r == 0x115f, r == 0x1160, r == 0xfffd:
		return invisible // among them zero width, direction marks, accents, variation selectors, and Hangul fillers
	default:
		return separator
	}
}

func han(r rune) bool {
	return 0x4e00 <= r && r <= 0x9fff || 0x3400 <= r && r <= 0x4dbf || 0x20000 <= r && r <= 0x323af
}

// dense reports whether a letter is of a script that is written without spaces.
func dense(r rune) bool {
	return han(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Thai)
}
