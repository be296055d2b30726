package openai

import (
	"strconv"
	"unicode/utf8"

	goopenai "github.com/sashabaranov/go-openai"
)

// said is what a piece of a stream says. scan reads it from the form that vendors' pieces have, in a tenth of encoding/json's time; whatever
// is unusual it leaves to encoding/json, and what it reads it reads alike.
type said struct {
	text    []byte // valid until the next scan
	thought bool   // a thought before the answer
	finish  string
	usage   *goopenai.Usage // nil: none

	in    []byte
	at    int
	fresh bool // no member of the object or array was read yet
	odd   bool // not for scan to read
	seen  field
}

// field is a set of members that are read at most once.
type field uint8

const (
	choicesField field = 1 << iota
	deltaField
	contentField
	thoughtField
	finishField
	usageField
)

// maxDepth of what is skipped; deeper is unusual.
const maxDepth = 8

// scan reads one value of the stream, without space around it; false: encoding/json has to.
func (s *said) scan(in []byte) bool {
	*s = said{in: in, text: s.text[:0]}
	for s.open('{'); s.more('}'); {
		switch key := s.key(); string(key) {
		case "choices":
			s.once(choicesField)
			s.choices()
		case "usage":
			s.once(usageField)
			s.used()
		case "id", "object", "model", "system_fingerprint":
			s.word()
		case "created":
			s.integer()
		case "error", "error_code", "code", "type", "prompt_annotations", "prompt_filter_results":
			s.null()
		default:
			s.other(key)
		}
	}
	return !s.odd && s.at == len(in)
}

// choices are one at most: of several, the first with index 0 would count.
func (s *said) choices() {
	n := 0
	for s.open('['); s.more(']'); n++ {
		s.odd = s.odd || n > 0
		for s.open('{'); s.more('}'); {
			switch key := s.key(); string(key) {
			case "index":
				s.odd = s.integer() != 0 || s.odd
			case "delta":
				s.once(deltaField)
				s.delta()
			case "finish_reason":
				s.once(finishField)
				word := s.word()
				s.finish, s.odd = string(word), s.odd || !utf8.Valid(word)
			case "logprobs", "content_filter_results":
				s.null()
			default:
				s.other(key)
			}
		}
	}
}

func (s *said) delta() {
	for s.open('{'); s.more('}'); {
		switch key := s.key(); string(key) {
		case "content":
			s.once(contentField)
			s.content()
		case "reasoning_content":
			s.once(thoughtField)
			before := len(s.text)
			s.content()
			s.thought, s.text = len(s.text) > before, s.text[:before]
		case "role":
			s.word()
		case "refusal":
			s.odd = len(s.word()) > 0 || s.odd
		case "function_call", "tool_calls":
			s.null()
		default:
			s.other(key)
		}
	}
}

func (s *said) used() {
	if s.is("null") {
		return
	}
	u := &goopenai.Usage{PromptTokensDetails: &goopenai.PromptTokensDetails{}, CompletionTokensDetails: &goopenai.CompletionTokensDetails{}}
	for s.open('{'); s.more('}'); {
		switch key := s.key(); string(key) {
		case "prompt_tokens":
			u.PromptTokens = s.integer()
		case "completion_tokens":
			u.CompletionTokens = s.integer()
		case "total_tokens":
			u.TotalTokens = s.integer()
		case "prompt_tokens_details":
			s.detail("cached_tokens", &u.PromptTokensDetails.CachedTokens)
		case "completion_tokens_details":
			s.detail("reasoning_tokens", &u.CompletionTokensDetails.ReasoningTokens)
		default:
			s.other(key)
		}
	}
	s.usage = u
}

// detail reads one of several figures.
func (s *said) detail(name string, figure *int) {
	if s.is("null") {
		return
	}
	for s.open('{'); s.more('}'); {
		key := s.key()
		s.lower(key)
		if n := s.integer(); string(key) == name {
			*figure = n
		}
	}
}

func (s *said) once(f field) {
	s.odd = s.odd || s.seen&f != 0
	s.seen |= f
}

// lower: encoding/json takes a name in any case for one that it knows.
func (s *said) lower(key []byte) {
	for _, c := range key {
		s.odd = s.odd || (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
	}
}

// other skips the value of a member that nobody reads.
func (s *said) other(key []byte) {
	s.lower(key)
	s.skip(0)
}

func (s *said) skip(depth int) {
	s.odd = s.odd || depth > maxDepth
	if s.odd || s.at >= len(s.in) || s.is("true") || s.is("false") {
		return
	}
	switch s.in[s.at] {
	case '{':
		for s.open('{'); s.more('}'); {
			s.key()
			s.skip(depth + 1)
		}
	case '[':
		for s.open('['); s.more(']'); {
			s.skip(depth + 1)
		}
	case '"', 'n':
		s.word()
	default:
		s.integer()
	}
}

func (s *said) space() {
	for s.at < len(s.in) && (s.in[s.at] == ' ' || s.in[s.at] == '\n' || s.in[s.at] == '\r' || s.in[s.at] == '\t') {
		s.at++
	}
}

func (s *said) take(c byte) {
	if s.at >= len(s.in) || s.in[s.at] != c {
		s.odd = true
		return
	}
	s.at++
}

func (s *said) is(literal string) bool {
	if s.odd || len(s.in)-s.at < len(literal) || string(s.in[s.at:s.at+len(literal)]) != literal {
		return false
	}
	s.at += len(literal)
	return true
}

func (s *said) null() { s.odd = !s.is("null") || s.odd }

func (s *said) open(c byte) {
	s.take(c)
	s.fresh = true
}

// more goes to the next member of an object or an array, unless it ends here.
func (s *said) more(end byte) bool {
	s.space()
	if s.odd || s.at >= len(s.in) {
		s.odd = true
		return false
	}
	if s.in[s.at] == end && !s.odd {
		s.at++
		s.fresh = false
		return false
	}
	if !s.fresh {
		s.take(',')
		s.space()
	}
	s.fresh = false
	return !s.odd
}

func (s *said) key() []byte {
	k := s.quoted()
	s.space()
	s.take(':')
	s.space()
	return k
}

// word is a string without escapes, or null, which is none.
func (s *said) word() []byte {
	if s.is("null") {
		return nil
	}
	return s.quoted()
}

func (s *said) quoted() []byte {
	s.take('"')
	from := s.at
	s.plain()
	if s.take('"'); s.odd {
		return nil
	}
	return s.in[from : s.at-1]
}

// plain goes to the end of the characters that stand for themselves.
func (s *said) plain() {
	for s.at < len(s.in) && s.in[s.at] >= ' ' && s.in[s.at] != '"' && s.in[s.at] != '\\' {
		s.at++
	}
}

func (s *said) integer() int {
	if s.is("null") {
		return 0
	}
	from := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	digits := s.in[min(from, s.at):s.at]
	if len(digits) == 0 || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		s.odd = true
	}
	n, _ := strconv.Atoi(string(digits))
	return n
}

// content reads the text, of whose characters any may be escaped.
func (s *said) content() {
	if s.is("null") {
		return
	}
	s.take('"')
	for !s.odd {
		from := s.at
		s.plain()
		run := s.in[from:s.at]
		if s.odd = s.at >= len(s.in) || !utf8.Valid(run); s.odd {
			return
		}
		s.text = append(s.text, run...)
		s.at++
		switch s.in[s.at-1] {
		case '"':
			return
		case '\\':
			s.escape()
		default:
			s.odd = true
		}
	}
}

func (s *said) escape() {
	if s.at >= len(s.in) {
		s.odd = true
		return
	}
	s.at++
	switch c := s.in[s.at-1]; c {
	case '"', '\\', '/':
		s.text = append(s.text, c)
	case 'n':
		s.text = append(s.text, '\n')
	case 't':
		s.text = append(s.text, '\t')
	case 'r':
		s.text = append(s.text, '\r')
	case 'u':
		s.unicode()
	default:
		s.odd = true
	}
}

// unicode reads the four digits of an escaped character; one that is written as two halves is for encoding/json.
func (s *said) unicode() {
	if len(s.in)-s.at < 4 {
		s.odd = true
		return
	}
	n, err := strconv.ParseUint(string(s.in[s.at:s.at+4]), 16, 32)
	s.at += 4
	s.odd = err != nil || n >= 0xd800 && n < 0xe000
	s.text = utf8.AppendRune(s.text, rune(n))
}
