package channel

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split cuts text into parts of at most limit bytes each, for platforms that bound a message. It cuts where a reader pauses (between
// paragraphs, lines, sentences, words), never inside a character, and loses nothing but white space at the cuts. A Markdown code fence
// that a cut would tear is closed at the part's end and opened again, with its language, in the next. Bytes that are not UTF-8 become
// U+FFFD. Text without anything visible has no parts. limit counts as at least 4, one character.
func Split(text string, limit int) []string {
	pieces := keepTail(cutPieces(text, limit), text, limit)
	parts := make([]string, len(pieces))
	for i, p := range pieces {
		parts[i] = p.String()
	}
	return parts
}

// piece is a part before it is glued together: body is from the text, open and shut are the fence lines added around it.
type piece struct{ open, body, shut string }

func (p piece) String() string { return p.open + p.body + p.shut }

// A last paragraph of at most shortTail bytes is not sent alone, where parts have at least roomForTail.
const (
	shortTail   = 120
	roomForTail = 64
)

// keepTail moves a short last paragraph, such as the mark of a model's answer, to the part before it, which is cut once more for that: by itself it
// would be a message of its own.
func keepTail(pieces []piece, text string, limit int) []piece {
	n := len(pieces)
	if n < 2 || limit < roomForTail {
		return pieces
	}
	tail, before := pieces[n-1], pieces[n-2]
	apart := strings.HasSuffix(strings.TrimRightFunc(text, unicode.IsSpace), "\n\n"+tail.body)
	if !apart || tail.open != "" || len(tail.body) > min(shortTail, limit/4) {
		return pieces
	}
	again := cutPieces(before.String(), limit-len(tail.body)-2)
	last := &again[len(again)-1]
	last.shut += "\n\n" + tail.body
	return append(pieces[:n-2], again...)
}

func cutPieces(text string, limit int) []piece {
	limit = max(limit, utf8.UTFMax)
	rest := trimBlankLines(strings.ToValidUTF8(text, "\uFFFD"))
	var pieces []piece
	var in fence // what rest begins inside of
	for rest != "" {
		room := limit - len(in.reopen())
		if len(rest) <= room {
			return append(pieces, piece{open: in.reopen(), body: rest})
		}
		at, state := findCut(rest, room, limit, in)
		p := piece{open: in.reopen(), body: rest[:at], shut: state.shut()}
		rest, in = rest[at:], state
		if !in.isOpen() {
			p.body, rest = strings.TrimRightFunc(p.body, unicode.IsSpace), trimBlankLines(rest)
		} else if body, atLineEnd := strings.CutSuffix(p.body, "\n"); !atLineEnd {
			rest = strings.TrimPrefix(rest, "\n")
		} else if p.body = body; in.closedBy(firstLine(rest)) { // the text closes here as well: one closing line is enough
			_, after, _ := strings.Cut(rest, "\n")
			rest, in = trimBlankLines(after), fence{}
		}
		if p.body != "" {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// findCut picks the best place to cut in the first room bytes of rest, which is longer than that, and tells the fence that is open
// there. The place is above 0, and what must close there fits into room as well.
func findCut(rest string, room, limit int, in fence) (int, fence) {
	type place struct {
		at    int
		state fence
	}
	var paragraph, line, code place // the last of each sort
	at, state := 0, in
	rest = rest[:room+1] // what lies further decides nothing, and reading it again for every part would be quadratic
	for {
		text := firstLine(rest[at:])
		end, next := at+len(text), state.step(text, limit)
		if end+len(next.shut()) > room {
			break
		}
		end++ // the newline, which no part keeps at its end; it is there, for rest is longer than room
		switch {
		case next.isOpen() && !state.isOpen(): // a cut below an opening line would leave an empty block behind
		case next.isOpen():
			code = place{end, next}
		case strings.TrimSpace(text) == "":
			paragraph = place{end, next}
		default:
			line = place{end, next}
		}
		at, state = end, next
	}
	for _, p := range []place{paragraph, line, code} {
		if p.at > room/2 {
			return p.at, p.state
		}
	}
	// The line that does not fit is cut, unless it is a fence's own.
	if state.step(firstLine(rest[at:]), limit) == state {
		if end := cutLine(rest, at, room-len(state.shut())); end > at {
			return end, state
		}
	}
	for _, p := range []place{line, paragraph, code} {
		if p.at > 0 {
			return p.at, p.state
		}
	}
	return cutLine(rest, 0, room-len(in.shut())), in
}

// cutLine finds where, below room, to end a part inside the line that begins at from: after a sentence, a clause or a word, else between
// two characters. Without room for one character it returns from or less.
func cutLine(rest string, from, room int) int {
	for room > from && !utf8.RuneStart(rest[room]) {
		room--
	}
	if room <= from {
		return from
	}
	best, rank := room, 1
	for i, r := range rest[from:room] {
		if end := from + i + utf8.RuneLen(r); end > room/2 && pause(r) >= rank {
			best, rank = end, pause(r)
		}
	}
	return best
}

// pause ranks how well a part may end after r.
func pause(r rune) int {
	switch {
	case strings.ContainsRune("。！？!?…", r):
		return 3
	case strings.ContainsRune("；;，,、：", r):
		return 2
	case unicode.IsSpace(r):
		return 1
	}
	return 0
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// trimBlankLines drops blank lines in front, and keeps the first line's indentation, and white space behind.
func trimBlankLines(s string) string {
	s = strings.TrimRightFunc(s, unicode.IsSpace)
	for {
		line, rest, found := strings.Cut(s, "\n")
		if !found || strings.TrimSpace(line) != "" {
			return s
		}
		s = rest
	}
}
