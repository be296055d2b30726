package llm

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"parley/internal/chat"
)

// What the chat form costs beside its texts, in tokens, as OpenAI documents it.
const (
	perMessage = 3
	perReply   = 3
	// perImage is what OpenAI documents for a large picture at high detail (85 + 6 tiles of 170). Other models count otherwise, some far more; no
	// vendor refuses a prompt for it, and usage is what the provider says.
	perImage = 1105
)

// counter counts tokens with one vocabulary, o200k: a turn is counted once, whatever model answers the next. Models with another
// vocabulary get an upper bound made from that count (bound).
type counter struct {
	*vocabulary
	mu      sync.Mutex
	systems map[string]int // system prompts are long and the same in every turn of a tenant
}

// maxSystems bounds the memory of prompts; past it the memory starts anew.
const maxSystems = 512

func newCounter() (*counter, error) {
	v, err := o200k()
	if err != nil {
		return nil, err
	}
	return &counter{vocabulary: v, systems: map[string]int{}}, nil
}

func (c *counter) system(text string) int {
	c.mu.Lock()
	n, ok := c.systems[text]
	c.mu.Unlock()
	if ok {
		return n
	}
	n = c.count(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.systems) >= maxSystems {
		clear(c.systems)
	}
	c.systems[text] = n
	return n
}

// family says how a model's own vocabulary compares with o200k.
type family struct {
	exact bool
	han   float64 // tokens of a Chinese character, at most
}

// families by prefix of the model's name. No vocabulary of GLM or ERNIE exists for Go; both vendors take about one token a character or
// less. Models before gpt-4o have a vocabulary that is poor in Chinese. What is not listed counts as o200k.
var families = []struct {
	prefix string
	family
}{
	{"glm", family{han: 1}}, {"chatglm", family{han: 1}}, {"ernie", family{han: 1}},
	{"gpt-4o", family{exact: true}}, {"gpt-4.", family{exact: true}},
	{"gpt-4", family{han: 1.6}}, {"gpt-3.5", family{han: 1.6}},
}

func familyOf(model string) family {
	model = strings.ToLower(model)
	for _, f := range families {
		if strings.HasPrefix(model, f.prefix) {
			return f.family
		}
	}
	return family{exact: true}
}

// bound is at least the number of the model's own tokens for a text with counted o200k tokens: Chinese characters and 1.3 a word, or
// the count if that is more, and a tenth on top.
func (f family) bound(text string, counted int) int {
	if f.exact {
		return counted
	}
	han, words, in := 0, 0, false
	for i := 0; i < len(text); {
		if c := text[i]; c >= 0xe5 && c <= 0xe8 && i+2 < len(text) { // U+5000 to U+8FFF: nearly all Chinese, as nobody need decode to see
			han, in, i = han+1, false, i+3
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch {
		case isHan(r):
			han, in = han+1, false
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if !in {
				words, in = words+1, true
			}
		default:
			in = false
		}
	}
	estimate := int(float64(han)*f.han + float64(words)*1.3)
	return (max(estimate, counted)*11 + 9) / 10
}

// isHan asks the tables of unicode only outside the block that nearly every Chinese character is in.
func isHan(r rune) bool {
	return r >= 0x4e00 && r <= 0x9fff || r > 0x2e7f && unicode.Is(unicode.Han, r)
}

// turn is what a stored turn takes of a window. Counts kept with it are used; only what was never counted is counted here.
func (c *counter) turn(f family, t *chat.Turn) int {
	q, a := t.QuestionTokens, t.AnswerTokens
	if q <= 0 {
		q = c.count(t.Question)
	}
	if a <= 0 {
		a = c.count(t.Answer)
	}
	return f.bound(t.Question, q) + f.bound(t.Answer, a) + 2*perMessage
}
