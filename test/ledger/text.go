package ledger

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// ID names one question: the n-th message (from 1) of a person.
type ID struct {
	Person string
	N      int
}

func (id ID) String() string { return id.Person + "." + strconv.Itoa(id.N) }

// Line is one message of the context that a model is given.
type Line struct {
	Role string // user, assistant; others are not part of a conversation
	Text string
}

// The frames: an opening, a question's number, in answers a digest, and a bracket.
const (
	question = "【问 "
	answer   = "【答 "
	closing  = "】"
)

var padding = regexp.MustCompile(`【续 ([^ 】]+)\.([0-9]+) ([0-9]+)/([0-9]+)】`)

// Question is the text in which a person asks question id. The person's name holds neither spaces nor brackets.
func Question(id ID) string { return fmt.Sprintf("【问 %s】请回答。", id) }

// Answer is the model's answer to the last of a context's lines: it names the question and digests all that came before. Around both
// the product and the simulator may add what they like, so only the frames in brackets count.
func Answer(context []Line) string {
	var said []string
	var asked ID
	for _, l := range context {
		switch l.Role {
		case "user":
			id, ok := parse(question, l.Text)
			if !ok {
				return "（这不是编号的问题）"
			}
			asked = id
			said = append(said, frame(question, l.Text))
		case "assistant":
			said = append(said, frame(answer, l.Text))
		}
	}
	return fmt.Sprintf("【答 %s %s】", asked, digest(said))
}

func digest(said []string) string {
	h := fnv.New32a()
	for _, s := range said {
		_, _ = h.Write([]byte(s))
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("%08x", h.Sum32())
}

// frame is the part of a text that counts; a text without one counts as a whole.
func frame(kind, text string) string {
	if f, _, ok := find(kind, text); ok {
		return f
	}
	return text
}

// Answered tells which question a shown text answers.
func Answered(text string) (ID, bool) { return parse(answer, text) }

func parse(kind, text string) (ID, bool) {
	_, id, ok := find(kind, text)
	return id, ok
}

// find gives the first frame of a kind. It is written out because every part of every context passes here, in the simulated model and in
// the people: regular expressions took twenty times as long.
func find(kind, text string) (whole string, id ID, ok bool) {
	for {
		begin := strings.Index(text, kind)
		if begin < 0 {
			return "", ID{}, false
		}
		text = text[begin:]
		inner, _, closed := strings.Cut(text[len(kind):], closing)
		if !closed {
			return "", ID{}, false
		}
		if id, ok = read(kind, inner); ok {
			return text[:len(kind)+len(inner)+len(closing)], id, true
		}
		text = text[len(kind):]
	}
}

// read takes what stands within a frame: PERSON.N, and in answers a digest.
func read(kind, inner string) (id ID, ok bool) {
	name, rest, digested := strings.Cut(inner, " ")
	if digested != (kind == answer) || digested && !hex8(rest) {
		return id, false
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 1 {
		return id, false
	}
	n, err := strconv.ParseUint(name[dot+1:], 10, 31)
	return ID{name[:dot], int(n)}, err == nil
}

func hex8(s string) bool {
	return len(s) == 8 && strings.Trim(s, "0123456789abcdef") == ""
}

// Pad is one line of what makes an answer long.
type Pad struct {
	ID    ID
	I, Of int // the I-th (from 1) of Of
}

// Padding makes the answer to a question so many lines of some 130 bytes longer, so that a channel must cut it into parts. Each line
// names itself.
func Padding(id ID, lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "\n【续 %s %d/%d】这一行只是为了让回答长到一条消息放不下，须分成几条发送。", id, i+1, lines)
	}
	return b.String()
}

// Padded lists the lines of a text that are padding.
func Padded(text string) (list []Pad) {
	for _, m := range padding.FindAllStringSubmatch(text, -1) {
		p := Pad{ID: ID{Person: m[1]}}
		for into, s := range map[*int]string{&p.ID.N: m[2], &p.I: m[3], &p.Of: m[4]} {
			*into, _ = strconv.Atoi(s) // digits; what is out of range is no line's number either
		}
		list = append(list, p)
	}
	return list
}
