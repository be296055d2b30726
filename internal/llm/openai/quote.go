package openai

import "unicode/utf8"

// appendQuoted appends a text as a JSON string, as encoding/json writes it without escaping HTML: bytes that are no UTF-8 become U+FFFD.
// encoding/json takes many times as long, and a request repeats a whole conversation.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0 // what was not copied yet
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = appendEscaped(append(b, s[from:i]...), c)
			i++
			from = i
			continue
		}
		if i+2 < len(s) && s[i] >= 0xe3 && s[i] <= 0xe9 && s[i+1]&s[i+2]&0xc0 == 0x80 && (s[i+1]|s[i+2])&0x40 == 0 { // most of Chinese and Japanese
			i += 3
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + 1
		case r == '\u2028' || r == '\u2029': // ends of lines in JavaScript
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + size
		}
		i += size
	}
	return append(append(b, s[from:]...), '"')
}

const hexDigits = "0123456789abcdef"

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
