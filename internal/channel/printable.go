package channel

import (
	"strings"
	"unicode"
)

// Printable bounds a stranger's text (a platform's error) for logs: one line, at most 300 bytes.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
