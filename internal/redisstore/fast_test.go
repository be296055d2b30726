package redisstore

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

// Whatever is stored: the fast way gives what encoding/json gives, or leaves it to that. And it knows what this program writes.
func FuzzFastTurn(f *testing.F) {
	for _, t := range []chat.Turn{
		{},
		{Question: "问", Answer: "第一行\n\t\"引\" \\ <b>&amp;</b> \u2028\x00\x7f\b\f", QuestionTokens: 1, AnswerTokens: 1 << 40, At: time.Unix(1763798400, 123456789).UTC()},
		{Question: `\`, Answer: `"`, AnswerTokens: -1, At: time.Unix(0, 0).In(time.FixedZone("", 8*3600))},
		{Question: "\xff\xed\xa0\x80", Answer: strings.Repeat("答", 1000)},
	} {
		doc, err := json.Marshal(turn{current(), t})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(doc))
	}
	for _, doc := range []string{
		``, `{"v":1`, `{"v":2,"q":"","a":"","t":"0001-01-01T00:00:00Z"}`, `{"v":1,"q":"` + "\x01" + `","a":"","t":"0001-01-01T00:00:00Z"}`,
		`{"v":1,"q":"\ud83d\ude00","a":"\u00E9\/","t":"0001-01-01T00:00:00Z"}`, `{"v":1,"q":"\","a":"","t":"0001-01-01T00:00:00Z"}`,
		`{"v":1,"q":"","a":"","qt":007,"t":"0001-01-01T00:00:00Z"}`, `{"v":1,"q":"","a":"","t":"0001-01-01T0:00:00Z"}`,
		`{"v":1,"q":"","a":"","t":"0001-01-01T00:00:00\u005a"}`, `{"v":1,"q":"","a":"","t":"0001-01-01T00:00:00Z"} `,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		got, ok := fastTurn(doc)
		var want turn
		err := decode(doc, &want)
		if ok && (err != nil || got != want.Turn) {
			t.Fatalf("%q: got %+v, want %+v, %v", doc, got, want.Turn, err)
		}
		if err != nil || want.QuestionTokens < 0 || want.AnswerTokens < 0 {
			return
		}
		written, err := json.Marshal(want)
		if err != nil {
			return
		}
		if got, ok := fastTurn(string(written)); !ok || !got.At.Equal(want.At) || got.Question != want.Question || got.Answer != want.Answer {
			t.Fatalf("not known though this program writes it: %q", written)
		}
	})
}

func BenchmarkDecodeTurn(b *testing.B) {
	for name, answer := range map[string]string{"plain": turnAnswer, "lines": strings.Repeat("每一行都有二十来个字，其中有**粗体**与标点。\n", 27)} {
		doc, err := json.Marshal(turn{current(), chat.Turn{Question: turnQuestion, Answer: answer, QuestionTokens: 40, AnswerTokens: 600, At: time.Now()}})
		if err != nil {
			b.Fatal(err)
		}
		entry := "1 1920 40000\n" + string(doc)
		for how, f := range map[string]func() error{
			"fast": func() error { _, err := decodeTurn(entry); return err },
			"json": func() error { return decode(string(doc), new(turn)) },
		} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.SetBytes(int64(len(entry)))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
