package openai

import (
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

	cursor
	seen field
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
	promptField
	completionField
)

// scan reads one value of the stream, without space around it; false: encoding/json has to.
func (s *said) scan(in []byte) bool {
	*s = said{cursor: cursor{in: in}, text: s.text[:0]}
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
			s.text = s.content(s.text)
		case "reasoning_content":
			s.once(thoughtField)
			before := len(s.text)
			s.thought = len(s.content(s.text)) > before
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
			u.PromptTokens = s.figure()
		case "completion_tokens":
			u.CompletionTokens = s.figure()
		case "total_tokens":
			u.TotalTokens = s.figure()
		case "prompt_tokens_details":
			s.once(promptField)
			s.detail("cached_tokens", &u.PromptTokensDetails.CachedTokens)
		case "completion_tokens_details":
			s.once(completionField)
			s.detail("reasoning_tokens", &u.CompletionTokensDetails.ReasoningTokens)
		default:
			s.other(key)
		}
	}
	s.usage = u
}

// figure is a number: encoding/json takes null for what the same member had before.
func (s *said) figure() int {
	s.odd = s.is("null") || s.odd
	return s.integer()
}

// detail reads one of several figures.
func (s *said) detail(name string, figure *int) {
	if s.is("null") {
		return
	}
	for s.open('{'); s.more('}'); {
		key := s.key()
		s.lower(key)
		if n := s.figure(); string(key) == name {
			*figure = n
		}
	}
}

func (s *said) once(f field) {
	s.odd = s.odd || s.seen&f != 0
	s.seen |= f
}
