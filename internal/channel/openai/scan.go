package openai

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
)

// Of a request's body, nearly all are the texts of its messages, and encoding/json takes 15 ns for each of their bytes. So the messages are read here
// if they have no more than a role and a text, as nearly all do, and encoding/json reads the rest of the body. Whatever is not plain is left to it
// entirely: it says what is wrong, too.

// withoutMessages gives the messages of a body, and the body with an empty list in their place. ok is false if it is not plain. Then, or if the rest
// is no JSON, nothing of it is true.
func withoutMessages(body []byte) (rest []byte, list []message, ok bool) {
	s := scan{b: body}
	if !s.next('{') {
		return nil, nil, false
	}
	from, to := 0, 0
	for more := true; more; more = s.next(',') {
		name, ok := s.raw()
		if !ok || !s.next(':') {
			return nil, nil, false
		}
		switch {
		case string(name) == `"messages"` && to == 0:
			from = s.at
			if list, ok = s.messages(); !ok {
				return nil, nil, false
			}
			to = s.at
		case bytes.EqualFold(name, []byte(`"messages"`)), bytes.IndexByte(name, '\\') >= 0: // which may mean the same
			return nil, nil, false
		default:
			s.skip()
		}
	}
	if to == 0 {
		return nil, nil, false
	}
	rest = append(make([]byte, 0, len(body)-(to-from)+2), body[:from]...)
	return append(append(rest, "[]"...), body[to:]...), list, true
}

// scan goes through a JSON text.
type scan struct {
	b  []byte
	at int
}

func (s *scan) space() {
	for s.at < len(s.b) && (s.b[s.at] == ' ' || s.b[s.at] == '\n' || s.b[s.at] == '\r' || s.b[s.at] == '\t') {
		s.at++
	}
}

// next passes c, if it comes next.
func (s *scan) next(c byte) bool {
	s.space()
	if s.at >= len(s.b) || s.b[s.at] != c {
		return false
	}
	s.at++
	return true
}

// messages reads a list of messages that have a role and a text each.
func (s *scan) messages() (list []message, ok bool) {
	if !s.next('[') {
		return nil, false
	}
	for {
		m, ok := s.message()
		if !ok {
			return nil, false
		}
		list = append(list, m)
		if s.next(']') {
			return list, true
		}
		if !s.next(',') {
			return nil, false
		}
	}
}

func (s *scan) message() (m message, ok bool) {
	if !s.next('{') {
		return m, false
	}
	for {
		name, ok := s.raw()
		if !ok || !s.next(':') {
			return m, false
		}
		value, ok := s.text()
		switch {
		case !ok:
			return m, false
		case string(name) == `"role"`:
			m.Role = value
		case string(name) == `"content"`:
			m.Content = value
		default:
			return m, false
		}
		if s.next('}') {
			return m, true
		}
		if !s.next(',') {
			return m, false
		}
	}
}

// text reads a string.
func (s *scan) text() (text string, ok bool) {
	raw, ok := s.raw()
	if !ok {
		return "", false
	}
	if inside := raw[1 : len(raw)-1]; plain(inside) {
		return string(inside), true
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

// raw passes a string and gives it as it stands there, with its quotes.
func (s *scan) raw() ([]byte, bool) {
	if !s.next('"') {
		return nil, false
	}
	from, end := s.at-1, s.end()
	if end < 0 {
		return nil, false
	}
	s.at = end + 1
	return s.b[from:s.at], true
}

// end is where the string ends that s stands in; -1: it does not.
func (s *scan) end() int {
	for at := s.at; ; {
		n := bytes.IndexByte(s.b[at:], '"')
		if n < 0 {
			return -1
		}
		at += n
		escapes := 0
		for at-1-escapes >= s.at && s.b[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at
		}
		at++
	}
}

// plain reports whether the inside of a string means what it is.
func plain(raw []byte) bool {
	if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
		return false
	}
	const each, space, high = 0x0101010101010101, ' ', 0x80
	for ; len(raw) >= 8; raw = raw[8:] { // eight bytes in the time of one: is one of them below a space?
		if x := binary.LittleEndian.Uint64(raw); (x-each*space)&^x&(each*high) != 0 {
			return false
		}
	}
	for _, c := range raw {
		if c < space {
			return false
		}
	}
	return true
}

// skip passes any value of a member. It may take for one what is none; that is found when the rest is read.
func (s *scan) skip() {
	for depth := 0; s.at < len(s.b); {
		switch c := s.b[s.at]; {
		case c == '"':
			if _, ok := s.raw(); !ok {
				return
			}
			continue
		case depth == 0 && (c == ',' || c == '}'):
			return
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		s.at++
	}
}
