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
	list := make([]string, 0, max(chunks, 8))
	for text != "" {
		end := runes(text, size)
		list, text = append(list, text[:end]), text[end:]
	}
	for len(list) < chunks {
		list = append(list, filler)
	}
	return list
}

// runes is where the first n characters of a text end.
func runes(text string, n int) int {
	for i := range text {
		if n--; n < 0 {
			return i
		}
	}
	return len(text)
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
		end := runes(piece, most)
		if end < len(piece) {
			if most > 0 {
				kept = append(kept, piece[:end])
			}
			return kept, true
		}
		kept, most = append(kept, piece), most-tokens(piece)
	}
	return kept, false
}

// tokens is the simulator's own measure: a token a character. It counts the bytes that begin one, which takes half as long as decoding.
func tokens(texts ...string) int {
	n := 0
	for _, t := range texts {
		for i := range len(t) {
			if utf8.RuneStart(t[i]) {
				n++
			}
		}
	}
	return n
}
