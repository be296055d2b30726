package dev

import (
	"fmt"
	"strings"
	"unicode"

	"parley/internal/sim/llm"
)

// Voice is a simulated vendor as its answers present it.
type Voice struct {
	Vendor llm.Vendor
	Name   string // what people call it: ChatGPT
	Key    string // the environment variable that makes the real one answer
}

// recalled is how many earlier questions an answer repeats.
const recalled = 4

// Answer makes the answer to a whole dialog, for [llm.Options]: it says who speaks and repeats what was asked before and who answered that, so
// that one sees the context at work, also across vendors. voices are all whose answers may stand in the dialog. It speaks Chinese, and
// English to a question in Latin letters.
func (v Voice) Answer(voices []Voice) func([]llm.Message) string {
	return func(messages []llm.Message) string {
		asked := exchanges(messages)
		if len(asked) == 0 {
			asked = []exchange{{}}
		}
		earlier, last := asked[:len(asked)-1], asked[len(asked)-1]
		w := chinese
		if english(last.question) {
			w = latin
		}
		var b strings.Builder
		if v.Vendor.Sign("") == "" { // a vendor with a sign puts it there itself
			b.WriteString(v.sign())
		}
		fmt.Fprintf(&b, w.frame, len(asked), short(last.question, 60))
		if len(earlier) > 0 {
			b.WriteString(w.before)
		}
		for i, e := range earlier {
			if len(earlier)-i <= recalled {
				fmt.Fprintf(&b, w.item, i+1, short(e.question, 30), e.by(voices, w))
			}
		}
		fmt.Fprintf(&b, w.end, v.Key, v.Name)
		return b.String()
	}
}

// words of an answer.
type words struct{ frame, before, item, by, end string }

var (
	chinese = words{
		frame: "模拟回答：这是我们对话中的第 %d 个问题：「%s」。\n", before: "\n在此之前你问过：\n\n", item: "%d. 「%s」%s\n", by: "（%s 答）",
		end: "\n这里没有调用真正的模型；设置 %s 之后由真正的 %s 回答。",
	}
	latin = words{
		frame: "Simulated answer: this is question %d of our conversation: “%s”.\n", before: "\nBefore that you asked:\n\n", item: "%d. “%s”%s\n",
		by: " (%s answered)", end: "\nNo real model was asked; set %s to have the real %s answer.",
	}
)

// sign is what the voice's answers begin with.
func (v Voice) sign() string {
	if s := v.Vendor.Sign(""); s != "" {
		return s
	}
	return "（" + v.Name + "）"
}

// exchange is one question of a dialog and its answer, empty for the last.
type exchange struct{ question, answer string }

func exchanges(messages []llm.Message) []exchange {
	var list []exchange
	for _, m := range messages {
		switch {
		case m.Role == "user":
			list = append(list, exchange{question: m.Content})
		case m.Role == "assistant" && len(list) > 0:
			list[len(list)-1].answer = m.Content
		}
	}
	return list
}

// by names whose answer it was; empty for a real model's, which has no sign.
func (e exchange) by(voices []Voice, w words) string {
	for _, v := range voices {
		if strings.HasPrefix(e.answer, v.sign()) {
			return fmt.Sprintf(w.by, v.Name)
		}
	}
	return ""
}

func english(s string) bool {
	letters := false
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return false
		}
		letters = letters || unicode.Is(unicode.Latin, r)
	}
	return letters
}

func short(s string, most int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
