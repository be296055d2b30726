// Package simulated is the provider that answers by itself: no key, no network, the pace of a person reading. It numbers the turn and
// recalls the question before, so that one sees the conversation's context at work.
package simulated

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"parley/internal/chat"
	"parley/internal/llm"
)

// Options set the pace.
type Options struct {
	First time.Duration // before the first piece
	Pace  time.Duration // between two pieces of three characters
}

// Factory makes the provider at a human pace.
func Factory(llm.Endpoint) (llm.Provider, error) {
	return New(Options{First: 300 * time.Millisecond, Pace: 45 * time.Millisecond}), nil
}

// New makes the provider at any pace.
func New(o Options) llm.Provider { return provider{o} }

type provider struct{ o Options }

const pieceRunes = 3

// Complete implements [llm.Provider]. It fails only if ctx ends or emit fails. It tells no usage.
func (p provider) Complete(ctx context.Context, c llm.Call, emit func(string) error) (llm.Answer, error) {
	text := look(c) + Answer(c.History, c.Question)
	wait := p.o.First
	var said strings.Builder
	for rest := []rune(text); len(rest) > 0; wait = p.o.Pace {
		select {
		case <-ctx.Done():
			return llm.Answer{Text: said.String()}, chat.E(chat.KindOf(ctx.Err()), "simulated.complete", context.Cause(ctx))
		case <-time.After(wait):
		}
		n := min(pieceRunes, len(rest))
		piece := string(rest[:n])
		said.WriteString(piece)
		if err := emit(piece); err != nil {
			return llm.Answer{Text: said.String()}, err
		}
		rest = rest[n:]
	}
	return llm.Answer{Text: text, FinishReason: "stop"}, nil
}

// look says what there is to see, so that one finds that pictures arrive.
func look(c llm.Call) string {
	if len(c.Images) == 0 {
		return ""
	}
	sizes := make([]string, len(c.Images))
	for i, p := range c.Images {
		sizes[i] = fmt.Sprintf("%s %d B", strings.TrimPrefix(p.Type, "image/"), len(p.Data))
	}
	if english(c.Question) {
		return fmt.Sprintf("(Simulated) Pictures seen: %d (%s).\n", len(sizes), strings.Join(sizes, ", "))
	}
	return fmt.Sprintf("（模拟）看到了 %d 张图片（%s）。\n", len(sizes), strings.Join(sizes, "，"))
}

// Answer is what the provider says: in Chinese, or in English to a question in Latin letters.
func Answer(history []chat.Turn, question string) string {
	n := len(history) + 1
	var b strings.Builder
	if english(question) {
		fmt.Fprintf(&b, "(Simulated answer) This is question %d of our conversation: “%s”.\n", n, short(question))
		if n > 1 {
			fmt.Fprintf(&b, "Before that you asked: “%s”.\n", short(history[n-2].Question))
		}
		b.WriteString("No model was asked. Set OPENAI_API_KEY to talk to a real one.")
		return b.String()
	}
	fmt.Fprintf(&b, "（模拟回答）这是我们对话中的第 %d 个问题：「%s」。\n", n, short(question))
	if n > 1 {
		fmt.Fprintf(&b, "在此之前你问的是：「%s」。\n", short(history[n-2].Question))
	}
	b.WriteString("这里没有调用真正的模型；设置 OPENAI_API_KEY 之后即可与真正的模型对话。")
	return b.String()
}

func english(s string) bool {
	latin := false
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return false
		}
		latin = latin || unicode.Is(unicode.Latin, r)
	}
	return latin
}

func short(s string) string {
	const most = 60
	r := []rune(strings.TrimSpace(s))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
