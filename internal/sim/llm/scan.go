package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// scanner reads the one big part of a request, its messages: encoding/json looks at each byte of them eight times, which under load cost
// more than all else here. It is as strict, so that an encoder's faults show.
type scanner struct {
	b []byte
	i int
}

var errJSON = errors.New("not JSON")

// next skips white space and gives the byte that follows; 0: none.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
		default:
			return s.b[s.i]
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.i++
	return true
}

// list reads what stands between two brackets, item by item.
func (s *scanner) list(open, end byte, item func() error) error {
	if !s.take(open) {
		return errJSON
	}
	if s.take(end) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return errJSON
		}
	}
}

// object calls member with each name; it must read the value.
func (s *scanner) object(member func(name string) error) error {
	return s.list('{', '}', func() error {
		name, err := s.text()
		if err != nil || !s.take(':') {
			return errJSON
		}
		return member(name)
	})
}

// raw gives any value as it stands.
func (s *scanner) raw() (json.RawMessage, error) {
	c := s.next()
	begin := s.i
	skip := func() error { _, err := s.raw(); return err }
	var err error
	switch c {
	case '{':
		err = s.object(func(string) error { return skip() })
	case '[':
		err = s.list('[', ']', skip)
	case '"':
		_, err = s.text() // for its escapes
	default:
		if n := bytes.IndexAny(s.b[s.i:], ",]} \t\r\n"); n >= 0 {
			s.i += n
		} else {
			s.i = len(s.b)
		}
		if !json.Valid(s.b[begin:s.i]) {
			err = errJSON
		}
	}
	return s.b[begin:s.i], err
}

// quoted gives a string with its quotes.
func (s *scanner) quoted() ([]byte, error) {
	if s.next() != '"' {
		return nil, errJSON
	}
	begin := s.i
	for i := s.i + 1; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.b[begin:s.i], nil
		case c == '\\':
			i++
		case c < ' ':
			return nil, errJSON
		}
	}
	return nil, errJSON
}

// text gives what a string says.
func (s *scanner) text() (string, error) {
	whole, err := s.quoted()
	if err != nil {
		return "", err
	}
	q := whole[1 : len(whole)-1]
	i := bytes.IndexByte(q, '\\')
	if i < 0 {
		return string(q), nil
	}
	var b strings.Builder
	b.Grow(len(q))
	for ; i >= 0; i = bytes.IndexByte(q, '\\') {
		k := strings.IndexByte(`n"\/trbf`, q[i+1])
		if k < 0 { // \u, or a fault: rare
			var text string
			err := json.Unmarshal(whole, &text)
			return text, err
		}
		b.Write(q[:i])
		b.WriteByte("\n\"\\/\t\r\b\f"[k])
		q = q[i+2:]
	}
	b.Write(q)
	return b.String(), nil
}
