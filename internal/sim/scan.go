// Package sim is what the simulators have in common.
package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Scanner reads JSON in one pass: encoding/json looks at each byte of a large request eight times, which under load cost more than all else
// that a simulator does. It is as strict, so that an encoder's faults show.
type Scanner struct {
	b []byte
	i int
}

// NewScanner begins at a document's beginning.
func NewScanner(document []byte) *Scanner { return &Scanner{b: document} }

// ErrJSON says that a document is none.
var ErrJSON = errors.New("not JSON")

// End reports whether nothing but white space is left.
func (s *Scanner) End() bool {
	s.Next()
	return s.i == len(s.b)
}

// At is where the scanner stands.
func (s *Scanner) At() int { return s.i }

// Next skips white space and gives the byte that follows; 0: none.
func (s *Scanner) Next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
		default:
			return s.b[s.i]
		}
	}
	return 0
}

func (s *Scanner) take(c byte) bool {
	if s.Next() != c {
		return false
	}
	s.i++
	return true
}

// List reads what stands between two brackets, item by item.
func (s *Scanner) List(open, end byte, item func() error) error {
	if !s.take(open) {
		return ErrJSON
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
			return ErrJSON
		}
	}
}

// Object calls member with each name; it must read the value.
func (s *Scanner) Object(member func(name string) error) error {
	return s.List('{', '}', func() error {
		name, err := s.Text()
		if err != nil || !s.take(':') {
			return ErrJSON
		}
		return member(name)
	})
}

// Raw gives any value as it stands.
func (s *Scanner) Raw() (json.RawMessage, error) {
	c := s.Next()
	begin := s.i
	skip := func() error { _, err := s.Raw(); return err }
	var err error
	switch c {
	case '{':
		err = s.Object(func(string) error { return skip() })
	case '[':
		err = s.List('[', ']', skip)
	case '"':
		_, err = s.Text() // for its escapes
	default:
		if n := bytes.IndexAny(s.b[s.i:], ",]} \t\r\n"); n >= 0 {
			s.i += n
		} else {
			s.i = len(s.b)
		}
		if !json.Valid(s.b[begin:s.i]) {
			err = ErrJSON
		}
	}
	return s.b[begin:s.i], err
}

// quoted gives a string with its quotes.
func (s *Scanner) quoted() ([]byte, error) {
	if s.Next() != '"' {
		return nil, ErrJSON
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
			return nil, ErrJSON
		}
	}
	return nil, ErrJSON
}

// Text gives what a string says.
func (s *Scanner) Text() (string, error) {
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
