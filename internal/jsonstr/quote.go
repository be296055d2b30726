package jsonstr

import "unicode/utf8"

// AppendQuoted appends a text as a JSON string that reads as encoding/json's does: bytes that are no UTF-8 become U+FFFD. encoding/json takes many
// times as long, and a request to a model repeats a whole conversation.
func AppendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := Run(s)
		b = append(b, s[:n]...)
		if s = s[n:]; s == "" {
			return append(b, '"')
		}
		if s[0] < utf8.RuneSelf {
			b = appendEscaped(b, s[0])
		} else {
			b = append(b, "\ufffd"...)
		}
		s = s[1:]
	}
}

func appendEscaped(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
