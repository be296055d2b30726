package moderation

import (
	"strings"
	"unicode/utf8"
)

// Words are forbidden words, compiled. They are immutable and safe for concurrent use.
type Words struct {
	dense  automaton // words that are found through separators
	spaced automaton // words between separators, each with one before it and one behind it
}

// NewWords compiles a list. Words without any letter or digit are left out.
func NewWords(list []string) *Words {
	var through, between [][]rune
	for _, word := range list {
		form, isDense := normal(word)
		switch {
		case len(form) == 0:
		case isDense:
			through = append(through, without(form, separator))
		default:
			between = append(between, append(append([]rune{separator}, form...), separator))
		}
	}
	return &Words{newAutomaton(through), newAutomaton(between)}
}

// Blank reports whether a word has nothing that could be found.
func Blank(word string) bool {
	form, _ := normal(word)
	return len(form) == 0
}

// normal is a word's normal form, without separators around it and with one between its parts.
func normal(word string) (form []rune, isDense bool) {
	for _, r := range word {
		fold(r, func(n rune) {
			if n == separator && (len(form) == 0 || form[len(form)-1] == separator) {
				return
			}
			isDense = isDense || dense(n)
			form = append(form, n)
		})
	}
	if n := len(form); n > 0 && form[n-1] == separator {
		form = form[:n-1]
	}
	return form, isDense
}

func without(form []rune, r rune) (out []rune) {
	for _, c := range form {
		if c != r {
			out = append(out, c)
		}
	}
	return out
}

// Found reports whether a text has a forbidden word.
func (w *Words) Found(text string) bool {
	s := newScan(w)
	for _, r := range text {
		if s.rune(r, 0) {
			return true
		}
	}
	return s.end()
}

// scan is how far a text was read.
type scan struct {
	words         *Words
	dense, spaced place
	last          rune // the normal form before, for the second automaton
	hit           bool
	at            int // of the character that is read
}

// place is a state of an automaton, with where in the text the characters began that led to it.
type place struct {
	state  int32
	starts []int // a ring of the newest
	n      int
}

func newScan(w *Words) *scan {
	s := &scan{words: w, last: separator}
	s.spaced.state = w.spaced.next(0, separator) // as if one stood before the text
	s.dense.starts, s.spaced.starts = make([]int, w.dense.longest+1), make([]int, w.spaced.longest+1)
	s.spaced.n = 1
	return s
}

// rune reads a character that begins at a place of the text, and reports whether a word ended with it, or had before.
func (s *scan) rune(r rune, at int) bool {
	s.at = at
	if han(r) { // most of all texts
		s.read(r)
	} else {
		fold(r, s.read)
	}
	return s.hit
}

func (s *scan) read(n rune) {
	if n != separator {
		s.hit = s.dense.step(&s.words.dense, n, s.at) || s.hit
	} else if s.last == separator {
		return
	}
	s.last = n
	s.hit = s.spaced.step(&s.words.spaced, n, s.at) || s.hit
}

// end reads the end of the text.
func (s *scan) end() bool {
	if s.last != separator {
		s.read(separator)
	}
	return s.hit
}

func (p *place) step(a *automaton, r rune, at int) bool {
	if len(a.nodes) <= 1 {
		return false
	}
	p.starts[p.n%len(p.starts)] = at
	p.n++
	p.state = a.next(p.state, r)
	return a.nodes[p.state].word
}

// held is where what may become a word begins; otherwise the end.
func (p *place) held(a *automaton, end int) int {
	if len(a.nodes) <= 1 {
		return end
	}
	depth := int(a.nodes[p.state].depth)
	if depth == 0 {
		return end
	}
	return p.starts[(p.n-depth)%len(p.starts)]
}

// held is where in the text what may become a forbidden word begins; end if nothing may.
func (s *scan) held(end int) int {
	return min(s.dense.held(&s.words.dense, end), s.spaced.held(&s.words.spaced, end))
}

// Stream lets the text of an answer through as it comes, but for what may become a forbidden word. It implements chat.Filter.
type Stream struct {
	scan *scan
	tail string // what is held back
	base int    // where in the text it begins
	part string // bytes of a character that is not whole
	over bool
}

// Stream begins an answer.
func (w *Words) Stream() *Stream { return &Stream{scan: newScan(w)} }

// Add implements chat.Filter.
func (s *Stream) Add(text string) (show string, hit bool) {
	if s.over {
		return "", s.scan.hit
	}
	text = s.part + text
	s.part = ""
	if n := whole(text); n < len(text) {
		text, s.part = text[:n], text[n:]
	}
	from := s.base + len(s.tail)
	for i, r := range text {
		if s.scan.rune(r, from+i) {
			s.over, s.tail = true, ""
			return "", true
		}
	}
	s.tail += text
	end := s.base + len(s.tail)
	return s.let(max(s.base, s.scan.held(end))), false
}

// let gives the text up to a place.
func (s *Stream) let(to int) string {
	show := s.tail[:to-s.base]
	s.tail, s.base = strings.Clone(s.tail[to-s.base:]), to
	return show
}

// End implements chat.Filter.
func (s *Stream) End() (show string, hit bool) {
	if s.over {
		return "", s.scan.hit
	}
	s.over = true
	if s.scan.end() {
		return "", true
	}
	return s.tail + s.part, false
}

// whole is how much of a text are whole characters.
func whole(text string) int {
	for n := 1; n < utf8Max && n <= len(text); n++ {
		if c := text[len(text)-n]; utf8.RuneStart(c) {
			if utf8.FullRuneInString(text[len(text)-n:]) {
				return len(text)
			}
			return len(text) - n
		}
	}
	return len(text)
}
