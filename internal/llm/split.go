package llm

import (
	"unicode"
	"unicode/utf8"
)

// class is what the vocabulary's pattern asks of a character.
type class uint8

const (
	upper class = 1 << iota // as a word may begin: \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}
	lower                   // as a word may go on: \p{Ll}\p{Lm}\p{Lo}\p{M}
	letter
	digit
	space
	newline // \r or \n, which are spaces, too
)

func classOf(r rune) class {
	switch {
	case r >= firstHan && r <= lastHan:
		return upper | lower | letter
	case r < utf8.RuneSelf:
		return classOfASCII(r)
	case r >= 0x2010 && r <= 0x2027, r >= 0x3001 && r <= 0x3003, r >= 0x3008 && r <= 0x3011, r >= 0xff01 && r <= 0xff0f, r >= 0xff1a && r <= 0xff20:
		return 0 // the signs of Chinese, for which no table need be searched
	}
	return classByTables(r)
}

func classByTables(r rune) class {
	switch {
	case unicode.Is(unicode.Ll, r):
		return lower | letter
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return upper | letter
	case unicode.In(r, unicode.Lm, unicode.Lo):
		return upper | lower | letter
	case unicode.Is(unicode.M, r):
		return upper | lower
	case unicode.Is(unicode.N, r):
		return digit
	case r == '\r' || r == '\n':
		return space | newline
	case unicode.IsSpace(r):
		return space
	}
	return 0
}

func classOfASCII(r rune) class {
	switch {
	case r >= 'a' && r <= 'z':
		return lower | letter
	case r >= 'A' && r <= 'Z':
		return upper | letter
	case r >= '0' && r <= '9':
		return digit
	case r == '\r' || r == '\n':
		return space | newline
	case r == ' ' || r >= '\t' && r <= '\r':
		return space
	}
	return 0
}

// at is the class of the character that begins at a place of a valid text, and its size; past the end it is 0, 0.
func at(text string, i int) (class, int) {
	if i >= len(text) {
		return 0, 0
	}
	switch c := text[i]; {
	case c < utf8.RuneSelf:
		return classOfASCII(rune(c)), 1
	case c >= 0xe5 && c <= 0xe8: // U+5000 to U+8FFF
		return classOf(firstHan), 3
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	return classOf(r), size
}

// run goes on over characters of a class.
func run(text string, i int, of class) int {
	for {
		c, size := at(text, i)
		if c&of == 0 {
			return i
		}
		i += size
	}
}

// splitPiece is the length of the first piece of a valid text, which is not empty, as o200k's pattern splits it:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// A pattern's engine takes ten times as long. Each part below takes the pattern's alternatives in order.
func splitPiece(text string) int {
	c, size := at(text, 0)
	for _, ending := range []func(string, int) int{wordEnd, capitalsEnd} {
		if c&(letter|digit|newline) == 0 {
			if end := ending(text, size); end > 0 {
				return end
			}
		}
		if end := ending(text, 0); end > 0 {
			return end
		}
	}
	switch {
	case c&digit != 0:
		return digitsEnd(text)
	case c&space == 0:
		return signsEnd(text, 0)
	case text[0] == ' ':
		if end := signsEnd(text, 1); end > 1 {
			return end
		}
	}
	return spacesEnd(text)
}

// wordEnd: capitals, then at least one small letter. Letters without case are both: a word may end with the last of them.
func wordEnd(text string, from int) int {
	end, i := 0, from
	for {
		c, size := at(text, i)
		if c&lower != 0 {
			end = i + size
		}
		if c&upper == 0 {
			break
		}
		i += size
	}
	if end <= i && end < from+1 {
		return 0
	}
	if end > i {
		end = run(text, i, lower)
	}
	return contractionEnd(text, end)
}

// capitalsEnd: at least one capital, then small letters.
func capitalsEnd(text string, from int) int {
	end := run(text, from, upper)
	if end == from {
		return 0
	}
	return contractionEnd(text, run(text, end, lower))
}

// contractionEnd goes on over one of 's 't 're 've 'm 'll 'd, in any case.
func contractionEnd(text string, i int) int {
	if i+1 >= len(text) || text[i] != '\'' {
		return i
	}
	switch text[i+1] | 0x20 {
	case 's', 't', 'm', 'd':
		return i + 2
	}
	if i+2 < len(text) {
		switch string([]byte{text[i+1] | 0x20, text[i+2] | 0x20}) {
		case "re", "ve", "ll":
			return i + 3
		}
	}
	return i
}

func digitsEnd(text string) (end int) {
	for range 3 {
		c, size := at(text, end)
		if c&digit == 0 {
			break
		}
		end += size
	}
	return end
}

// signsEnd: what is no space, letter or digit, then ends of lines and slashes.
func signsEnd(text string, from int) int {
	i := from
	for {
		c, size := at(text, i)
		if size == 0 || c&(letter|digit|space) != 0 {
			break
		}
		i += size
	}
	if i == from {
		return from
	}
	for i < len(text) && (text[i] == '\r' || text[i] == '\n' || text[i] == '/') {
		i++
	}
	return i
}

// spacesEnd: up to the last end of a line; else all but the space before a word, which is the word's.
func spacesEnd(text string) int {
	i, last, line := 0, 0, 0
	for {
		c, size := at(text, i)
		if c&space == 0 {
			break
		}
		last = i
		i += size
		if c&newline != 0 {
			line = i
		}
	}
	switch {
	case line > 0:
		return line
	case i < len(text) && last > 0:
		return last
	}
	return i
}
