package moderation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/moderation"
)

func TestFound(t *testing.T) {
	w := moderation.NewWords([]string{"赌博", "加微信", "微信", "ass", "Bad Word", "café", "カジノ", "v我50", "  ", "。", "法轮"})
	for text, want := range map[string]bool{
		"": false, "今天天气很好": false, "网上赌博平台": true, "赌": false, "博赌": false,
		"赌 博": true, "赌-博": true, "赌。。。博": true, "赌\n博": true, "赌\u200b博": true, "赌\ufe0f博": true, "赌😀博": true, "赌大博": false,
		"请加微信": true, "微 信": true, "加微": false,
		"ass": true, "ASS": true, "ａｓｓ": true, "a\u200bss": true, "an ass!": true, "class": false, "assess": false, "as s": false, "𝐚𝐬𝐬": true, "ⓐⓢⓢ": true, "áss": true,
		"bad word": true, "BAD   word": true, "bad-word": true, "badword": false, "bad words": false,
		"un café": true, "un cafe\u0301": true, "un cafe": true, "ｶｼﾞﾉ": true, "カジノ": true, "V我 50": true, "ｖ我５０": true,
		"他是ass吗": false, "\xff赌\xff博": true,
	} {
		if got := w.Found(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		s := w.Stream()
		_, hit := s.Add(text)
		if _, later := s.End(); (hit || later) != want {
			t.Errorf("%q as a stream: %v, want %v", text, hit || later, want)
		}
	}
	if moderation.NewWords(nil).Found("赌博") {
		t.Error("no word was found")
	}
}

// stream gives what is shown of a text that comes in pieces.
func stream(w *moderation.Words, text string, dice *rand.Rand) (shown string, hit bool) {
	s := w.Stream()
	var b strings.Builder
	for len(text) > 0 && !hit {
		n := min(len(text), 1+dice.IntN(7)) // also within a character
		var show string
		show, hit = s.Add(text[:n])
		b.WriteString(show)
		text = text[n:]
	}
	if !hit {
		var show string
		show, hit = s.End()
		b.WriteString(show)
	}
	return b.String(), hit
}

// TestStreamShowsNoWord: over any cutting of any text, what is shown is the text up to a forbidden word and nothing of the word; without one it is all.
func TestStreamShowsNoWord(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	letters := []string{"甲", "乙", "丙", "a", "B", "ｂ", " ", "，", "\u200b", "é", "1"}
	some := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(letters[dice.IntN(len(letters))])
		}
		return b.String()
	}
	hits := 0
	for range 20000 {
		var list []string
		for range 1 + dice.IntN(4) {
			list = append(list, some(1+dice.IntN(4)))
		}
		w := moderation.NewWords(list)
		text := some(dice.IntN(24))
		judge(t, w, list, text, dice, &hits)
	}
	if hits < 1000 {
		t.Errorf("%d hits: nothing was put to the test", hits)
	}
}

func judge(t *testing.T, w *moderation.Words, list []string, text string, dice *rand.Rand, hits *int) {
	t.Helper()
	shown, hit := stream(w, text, dice)
	switch {
	case hit != w.Found(text):
		t.Fatalf("%q of %q: the stream says %v", list, text, hit)
	case !hit && shown != text:
		t.Fatalf("%q of %q: %q was shown", list, text, shown)
	case hit && !strings.HasPrefix(text, shown):
		t.Fatalf("%q of %q: %q was shown", list, text, shown)
	}
	if !hit {
		return
	}
	*hits++
	// The first word to end begins behind what was shown: what is left still has it, and what was shown has none.
	if w.Found(shown) && !w.Found(text[len(shown):]) {
		t.Fatalf("%q of %q: of a word %q was shown", list, text, shown)
	}
	end := len(shown) // the shortest beginning with a word
	for end < len(text) {
		_, n := utf8.DecodeRuneInString(text[end:])
		end += n
		if _, now := func() (string, bool) { s := w.Stream(); return s.Add(text[:end]) }(); now {
			break
		}
	}
	if rest := text[len(shown):end]; !w.Found(" " + rest) {
		t.Fatalf("%q of %q: %q was shown, and %q is no whole word", list, text, shown, rest)
	}
}

func FuzzStream(f *testing.F) {
	f.Add("赌博\nass", "网上赌 博ass", uint64(1))
	f.Add("ab cd\nd甲", "ab c d甲", uint64(7))
	f.Fuzz(func(t *testing.T, words, text string, seed uint64) {
		if len(words) > 200 || len(text) > 400 || !utf8.ValidString(text) {
			return
		}
		list := strings.Split(words, "\n")
		hits := 0
		judge(t, moderation.NewWords(list), list, text, rand.New(rand.NewPCG(seed, 1)), &hits)
	})
}

// BenchmarkWords looks through an answer of 600 Chinese characters for words of a list of 10,000.
func BenchmarkWords(b *testing.B) {
	dice := rand.New(rand.NewPCG(1, 1))
	var list []string
	for i := range 10000 {
		r := make([]rune, 2+dice.IntN(4))
		for j := range r {
			r[j] = rune(0x4e00 + dice.IntN(3000))
		}
		list = append(list, string(r), fmt.Sprint("word", i))
	}
	w := moderation.NewWords(list)
	var answer strings.Builder
	for range 600 {
		answer.WriteRune(rune(0x5000 + 3000 + dice.IntN(3000)))
		if dice.IntN(20) == 0 {
			answer.WriteString("，and ")
		}
	}
	text := answer.String()
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			w.Found(text)
		}
	})
	b.Run("stream", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			s := w.Stream()
			for at := 0; at < len(text); at += 12 {
				s.Add(text[at:min(len(text), at+12)])
			}
			s.End()
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			moderation.NewWords(list)
		}
	})
}
