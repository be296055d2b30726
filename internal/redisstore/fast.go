package redisstore

import (
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/jsonstr"
)

// fastTurn reads a turn as this program writes it, without reflection and without a copy of what has no escapes: a claim holds 40 kB of them,
// and encoding/json took most of its time. It is encoding/json's result, or not ok: then that is to be asked.
func fastTurn(doc string) (t chat.Turn, ok bool) {
	f := fast{rest: doc}
	f.want(`{"v":1,"q":`)
	t.Question = f.text()
	f.want(`,"a":`)
	t.Answer = f.text()
	if f.has(`,"qt":`) {
		t.QuestionTokens = f.count()
	}
	if f.has(`,"at":`) {
		t.AnswerTokens = f.count()
	}
	f.want(`,"t":`)
	t.At = f.time()
	f.want(`}`)
	if f.bad || f.rest != "" {
		return chat.Turn{}, false
	}
	return t, true
}

// fast reads JSON whose fields come in a known order, without spaces. What it does not know makes it bad, for good.
type fast struct {
	rest string
	bad  bool
}

func (f *fast) has(literal string) bool {
	rest, ok := strings.CutPrefix(f.rest, literal)
	f.rest = rest
	return ok
}

func (f *fast) want(literal string) {
	if !f.has(literal) {
		f.bad, f.rest = true, ""
	}
}

// count reads a number that is not negative.
func (f *fast) count() int {
	n, i := 0, 0
	for ; i < len(f.rest) && i < 18 && f.rest[i] >= '0' && f.rest[i] <= '9'; i++ {
		n = 10*n + int(f.rest[i]-'0')
	}
	if i == 0 || i > 1 && f.rest[0] == '0' {
		f.bad = true
	}
	f.rest = f.rest[i:]
	return n
}

func (f *fast) time() (t time.Time) {
	f.want(`"`)
	n := jsonstr.Run(f.rest)
	if n > len("2026-11-22T08:00:00.000000000+08:00") || t.UnmarshalText([]byte(f.rest[:n])) != nil {
		f.bad = true
	}
	f.rest = f.rest[n:]
	f.want(`"`)
	return t
}

// text reads a string: a piece of what is read, if nothing in it is escaped.
func (f *fast) text() string {
	f.want(`"`)
	s := f.rest
	n := jsonstr.Run(s)
	if n < len(s) && s[n] == '"' {
		f.rest = s[n+1:]
		return s[:n]
	}
	var b strings.Builder
	b.Grow(len(s)) // an answer is nearly all that is left
	for {
		b.WriteString(s[:n])
		s = s[n:]
		if s != "" && s[0] == '"' {
			f.rest = s[1:]
			return b.String()
		}
		r, size := escape(s)
		if size == 0 {
			f.bad, f.rest = true, ""
			return ""
		}
		b.WriteRune(r)
		s = s[size:]
		n = jsonstr.Run(s)
	}
}

// escape reads what begins with a backslash, and says how long that is; 0: it is none that this program writes.
func escape(s string) (r rune, size int) {
	if len(s) < 2 || s[0] != '\\' {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
	default:
		return 0, 0
	}
	if len(s) < 6 {
		return 0, 0
	}
	for _, c := range []byte(s[2:6]) {
		i := strings.IndexByte("0123456789abcdef", c)
		if i < 0 {
			return 0, 0
		}
		r = r<<4 | rune(i)
	}
	if !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, 6
}
