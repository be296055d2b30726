package llm

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"
)

// The block of nearly every Chinese character.
const (
	firstHan = 0x4e00
	lastHan  = 0x9fff
)

const (
	tokenIDs  = 200_000 // more than o200k has
	maxMerged = 96      // bytes of what is merged here; what is longer the library merges, in n log n steps
	pairBits  = 20
)

// vocabulary counts o200k's tokens as the library does, but Chinese ten times as fast. The pattern makes one piece of all characters between two
// signs, and merging a piece's bytes costs about its length squared. But few characters that stand side by side are ever in one token: between all
// others a piece can be cut, and what is left is mostly a token itself.
type vocabulary struct {
	codec  tokenizer.Codec
	rank   map[string]uint32
	single []uint8                     // tokens of a character, from firstHan
	joined [1 << (pairBits - 6)]uint64 // a set of pairs of characters, by hash: those which a token may join, and few others
}

// o200k is made once a process: it takes a tenth of a second, and ten megabytes.
var o200k = sync.OnceValues(newVocabulary)

func newVocabulary() (*vocabulary, error) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{codec: codec, rank: make(map[string]uint32, tokenIDs), single: make([]uint8, lastHan-firstHan+1)}
	for id := range uint32(tokenIDs) {
		token, err := codec.Decode([]uint{uint(id)})
		if err != nil {
			continue // an ID that is not used
		}
		v.rank[token] = id
		v.join(token)
	}
	for r := range v.single {
		v.single[r] = uint8(v.merge(string(rune(firstHan + r))))
	}
	return v, nil
}

// join notes the pairs of Chinese characters that a token joins. It may begin or end within a character.
func (v *vocabulary) join(token string) {
	from := 0
	for i := 1; i < len(token); i++ {
		if !utf8.RuneStart(token[i]) {
			continue
		}
		end := i + 1
		for end < len(token) && !utf8.RuneStart(token[end]) {
			end++
		}
		for _, b := range hansWith(token[i:end], false) {
			for _, a := range hansWith(token[from:i], true) {
				bit := pairBit(a, b)
				v.joined[bit/64] |= 1 << (bit % 64)
			}
		}
		from = i
	}
}

// hansWith are the Chinese characters that have the bytes: all three, or the first, or the last ones.
func hansWith(part string, last bool) (list []rune) {
	if r, size := utf8.DecodeRuneInString(part); size == len(part) && r != utf8.RuneError {
		if r >= firstHan && r <= lastHan {
			list = append(list, r)
		}
		return list
	}
	if len(part) > 2 || !last && (part[0] < 0xe4 || part[0] > 0xe9) {
		return nil
	}
	for r := rune(firstHan); r <= lastHan; r++ {
		b := [3]byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6)&0x3f, 0x80 | byte(r)&0x3f}
		if n := len(part); !last && string(b[:n]) == part || last && string(b[3-n:]) == part {
			list = append(list, r)
		}
	}
	return list
}

func pairBit(a, b rune) uint32 {
	return (uint32(a)*0x9e3779b1 ^ uint32(b)*0x85ebca77) >> (32 - pairBits)
}

func (v *vocabulary) joins(a, b rune) bool {
	bit := pairBit(a, b)
	return v.joined[bit/64]&(1<<(bit%64)) != 0
}

// count is the number of tokens of a text.
func (v *vocabulary) count(text string) (n int) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 'ſ') { // the pattern's 's may be 'ſ
		n, err := v.codec.Count(text)
		if err != nil {
			return len(text) // no token is shorter than a byte
		}
		return n
	}
	for text != "" {
		end := splitPiece(text)
		n += v.piece(text[:end])
		text = text[end:]
	}
	return n
}

// piece cuts a piece where no token joins its characters.
func (v *vocabulary) piece(text string) (n int) {
	if _, ok := v.rank[text]; ok {
		return 1
	}
	from, before := 0, rune(0)
	for i, r := range text {
		if r < firstHan || r > lastHan {
			before = 0
			continue
		}
		if before != 0 && !v.joins(before, r) {
			n += v.part(text[from:i], before)
			from = i
		}
		before = r
	}
	return n + v.part(text[from:], before)
}

// part counts what is left of a piece, which ends with a character.
func (v *vocabulary) part(text string, last rune) int {
	if len(text) == 3 && last != 0 {
		return int(v.single[last-firstHan])
	}
	return v.merge(text)
}

// merge counts the tokens of a text that no pattern splits: of all neighbours that make a token, those with the lowest rank become one, and again.
func (v *vocabulary) merge(text string) int {
	if _, ok := v.rank[text]; ok {
		return 1
	}
	if len(text) > maxMerged {
		n, err := v.codec.Count(text)
		if err != nil {
			return len(text)
		}
		return n
	}
	return v.mergeBytes(text)
}

func (v *vocabulary) mergeBytes(text string) int {
	const none = ^uint32(0)
	var starts [maxMerged + 1]uint8
	var ranks [maxMerged]uint32 // of each part with the next
	n := len(text)
	for i := range n + 1 {
		starts[i] = uint8(i)
	}
	rank := func(i int) uint32 {
		if i+2 <= n {
			if r, ok := v.rank[text[starts[i]:starts[i+2]]]; ok {
				return r
			}
		}
		return none
	}
	for i := range n {
		ranks[i] = rank(i)
	}
	for {
		best := 0
		for i := 1; i < n; i++ {
			if ranks[i] < ranks[best] {
				best = i
			}
		}
		if n == 0 || ranks[best] == none {
			return n
		}
		copy(starts[best+1:n], starts[best+2:n+1])
		copy(ranks[best+1:n-1], ranks[best+2:n])
		n--
		ranks[best] = rank(best)
		if best > 0 {
			ranks[best-1] = rank(best - 1)
		}
	}
}
