package llm

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Answer is what the simulator answers to a last user message with so many user messages before it, without filler.
func Answer(earlier int, last string) string {
	return fmt.Sprintf("第%d问「%s」收到。", earlier+1, last)
}

// filler lengthens answers; it never occurs in Answer's own frame.
const filler = "嗯……"

// pieces cuts the answer into the wanted number of chunks, adding filler where it is too short; 0: three characters a chunk, no filler.
func pieces(text string, chunks int) []string {
	size := 3
	if n := utf8.RuneCountInString(text); chunks > 0 {
		size = max(size, (n+chunks-1)/chunks)
	}
	var list []string
	for r := []rune(text); len(r) > 0; {
		n := min(size, len(r))
		list = append(list, string(r[:n]))
		r = r[n:]
	}
	for len(list) < chunks {
		list = append(list, filler)
	}
	return list
}

// Strip takes the filler off an answer's end, so that it can be compared with [Answer].
func Strip(answer string) string {
	for strings.HasSuffix(answer, filler) {
		answer = strings.TrimSuffix(answer, filler)
	}
	return answer
}

// cut keeps as many tokens as are allowed; over: there were more.
func cut(list []string, most int) (kept []string, over bool) {
	for _, piece := range list {
		r := []rune(piece)
		if len(r) > most {
			if most > 0 {
				kept = append(kept, string(r[:most]))
			}
			return kept, true
		}
		kept, most = append(kept, piece), most-len(r)
	}
	return kept, false
}

// tokens is the simulator's own measure: a token a character.
func tokens(texts ...string) int {
	n := 0
	for _, t := range texts {
		n += utf8.RuneCountInString(t)
	}
	return n
}
