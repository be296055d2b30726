package openai

import (
	"strconv"
	"unicode/utf8"
)

// cursor reads JSON of the usual kind, once and from left to right. Once it met something else, odd is set and it goes no further.
type cursor struct {
	in    []byte
	at    int
	fresh bool // no member of the object or array was read yet
	odd   bool
}

// maxDepth of what is skipped; deeper is unusual.
const maxDepth = 8

// lower: encoding/json takes a name in any case for one that it knows.
func (c *cursor) lower(key []byte) {
	for _, b := range key {
		c.odd = c.odd || (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_'
	}
}

// other skips the value of a member that nobody reads.
func (c *cursor) other(key []byte) {
	c.lower(key)
	c.skip(0)
}

func (c *cursor) skip(depth int) {
	c.odd = c.odd || depth > maxDepth
	if c.odd || c.at >= len(c.in) || c.is("true") || c.is("false") {
		return
	}
	switch c.in[c.at] {
	case '{':
		for c.open('{'); c.more('}'); {
			c.key()
			c.skip(depth + 1)
		}
	case '[':
		for c.open('['); c.more(']'); {
			c.skip(depth + 1)
		}
	case '"', 'n':
		c.word()
	default:
		c.integer()
	}
}

func (c *cursor) space() {
	for c.at < len(c.in) && (c.in[c.at] == ' ' || c.in[c.at] == '\n' || c.in[c.at] == '\r' || c.in[c.at] == '\t') {
		c.at++
	}
}

func (c *cursor) take(sign byte) {
	if c.at >= len(c.in) || c.in[c.at] != sign {
		c.odd = true
		return
	}
	c.at++
}

func (c *cursor) is(literal string) bool {
	if c.odd || len(c.in)-c.at < len(literal) || string(c.in[c.at:c.at+len(literal)]) != literal {
		return false
	}
	c.at += len(literal)
	return true
}

func (c *cursor) null() { c.odd = !c.is("null") || c.odd }

func (c *cursor) open(sign byte) {
	c.take(sign)
	c.fresh = true
}

// more goes to the next member of an object or an array, unless it ends here.
func (c *cursor) more(end byte) bool {
	c.space()
	if c.odd || c.at >= len(c.in) {
		c.odd = true
		return false
	}
	if c.in[c.at] == end && !c.odd {
		c.at++
		c.fresh = false
		return false
	}
	if !c.fresh {
		c.take(',')
		c.space()
	}
	c.fresh = false
	return !c.odd
}

func (c *cursor) key() []byte {
	k := c.quoted()
	c.space()
	c.take(':')
	c.space()
	return k
}

// word is a string without escapes, or null, which is none.
func (c *cursor) word() []byte {
	if c.is("null") {
		return nil
	}
	return c.quoted()
}

func (c *cursor) quoted() []byte {
	c.take('"')
	from := c.at
	c.plain()
	if c.take('"'); c.odd {
		return nil
	}
	return c.in[from : c.at-1]
}

// plain goes to the end of the characters that stand for themselves.
func (c *cursor) plain() {
	for c.at < len(c.in) && c.in[c.at] >= ' ' && c.in[c.at] != '"' && c.in[c.at] != '\\' {
		c.at++
	}
}

func (c *cursor) integer() int {
	if c.is("null") {
		return 0
	}
	from := c.at
	for c.at < len(c.in) && c.in[c.at] >= '0' && c.in[c.at] <= '9' {
		c.at++
	}
	digits := c.in[min(from, c.at):c.at]
	if len(digits) == 0 || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		c.odd = true
	}
	n, _ := strconv.Atoi(string(digits))
	return n
}

// content appends a string's text, of whose characters any may be escaped.
func (c *cursor) content(text []byte) []byte {
	if c.is("null") {
		return text
	}
	c.take('"')
	for !c.odd {
		from := c.at
		c.plain()
		run := c.in[from:c.at]
		if c.odd = c.at >= len(c.in) || !utf8.Valid(run); c.odd {
			break
		}
		text = append(text, run...)
		c.at++
		switch c.in[c.at-1] {
		case '"':
			return text
		case '\\':
			text = c.escape(text)
		default:
			c.odd = true
		}
	}
	return text
}

func (c *cursor) escape(text []byte) []byte {
	if c.at >= len(c.in) {
		c.odd = true
		return text
	}
	c.at++
	switch sign := c.in[c.at-1]; sign {
	case '"', '\\', '/':
		return append(text, sign)
	case 'n':
		return append(text, '\n')
	case 't':
		return append(text, '\t')
	case 'r':
		return append(text, '\r')
	case 'u':
		return c.unicode(text)
	}
	c.odd = true
	return text
}

// unicode reads the four digits of an escaped character; one that is written as two halves is for encoding/json.
func (c *cursor) unicode(text []byte) []byte {
	if len(c.in)-c.at < 4 {
		c.odd = true
		return text
	}
	n, err := strconv.ParseUint(string(c.in[c.at:c.at+4]), 16, 32)
	c.at += 4
	c.odd = err != nil || n >= 0xd800 && n < 0xe000
	return utf8.AppendRune(text, rune(n))
}
