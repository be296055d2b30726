package llm

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"parley/internal/chat"
)

// Counts of OpenAI's own tokenizer for o200k_base.
func TestCount(t *testing.T) {
	c := testCounter(t)
	for text, want := range map[string]int{
		"": 0, "hello world": 2, "tiktoken is great!": 6, "antidisestablishmentarianism": 6, "2 + 2 = 4": 7, "お誕生日おめでとう": 8, "你好": 1,
	} {
		if got := c.count(text); got != want {
			t.Errorf("count(%q) = %d, want %d", text, got, want)
		}
	}
}

// Texts that make other tokenizers take quadratic time, or that are no text.
func TestCountHostile(t *testing.T) {
	c := testCounter(t)
	for _, text := range []string{strings.Repeat("a", 200_000), strings.Repeat("^", 200_000), strings.Repeat(" ", 200_000), strings.Repeat("\n", 200_000),
		strings.Repeat("啊", 60_000), "\xff\xfe\x00" + strings.Repeat("\x80", 1000), strings.Repeat("<|endoftext|>", 1000)} {
		if n := c.count(text); n <= 0 || n > len(text) {
			t.Errorf("%.10q…: %d tokens of %d bytes", text, n, len(text))
		}
	}
}

func TestBound(t *testing.T) {
	c := testCounter(t)
	for _, test := range []struct {
		model, text string
		want        int
	}{
		{"gpt-4o-mini", "人工智能", c.count("人工智能")},
		{"gpt-6-luna", "人工智能", c.count("人工智能")},
		{"glm-4.6", "人工智能", 5},                                     // 4 × 1.1
		{"GLM-4.6", "人工智能", 5},                                     // case-blind
		{"ernie-4.5-turbo-128k", "人工智能 is AI", 7},                  // (4 + 2 × 1.3) × 1.1, rounded
		{"glm-4.6", "!!!???...---", 0},                             // filled in below: o200k counts more than the formula
		{"gpt-4-0613", "人工智能", 7},                                  // 4 × 1.6 × 1.1
		{"gpt-3.5-turbo", "one two three four five six seven", 10}, // 7 × 1.3 × 1.1
	} {
		if test.want == 0 {
			test.want = int(math.Ceil(float64(c.count(test.text)) * 1.1))
		}
		if got := familyOf(test.model).bound(test.text, c.count(test.text)); got != test.want {
			t.Errorf("%s: bound(%q) = %d, want %d", test.model, test.text, got, test.want)
		}
	}
}

// Stored counts are believed, so that a history is counted once in its life and not once a turn.
func TestStoredCountsAreUsed(t *testing.T) {
	c := testCounter(t)
	exact := family{exact: true}
	if got := c.turn(exact, &chat.Turn{Question: "hello world", Answer: "hello", QuestionTokens: 40, AnswerTokens: 50}); got != 96 {
		t.Errorf("stored: %d, want 96", got)
	}
	if got := c.turn(exact, &chat.Turn{Question: "hello world", Answer: "hello"}); got != 9 {
		t.Errorf("counted: %d, want 9", got)
	}
}

func TestSystemMemory(t *testing.T) {
	c := testCounter(t)
	var wg sync.WaitGroup
	for i := range 4 * maxSystems {
		wg.Go(func() {
			if got := c.system(fmt.Sprintf("hello %d", i%10)); got != 3 {
				t.Errorf("%d tokens, want 3", got)
			}
			c.system(fmt.Sprint(i))
		})
	}
	wg.Wait()
	if n := len(c.systems); n > maxSystems {
		t.Errorf("%d prompts are remembered, at most %d may be", n, maxSystems)
	}
}

func BenchmarkCount(b *testing.B) {
	c := testCounter(b)
	for name, text := range map[string]string{
		"Chinese": strings.Repeat("请帮我写一封邮件，通知客户本周五下午三点的会议改到下周一上午十点。", 20),
		"English": strings.Repeat("Please write a short letter that moves Friday's meeting to Monday at ten. ", 20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c.count(text)
			}
		})
	}
}

// BenchmarkFit cuts a counted history of 20 turns: what each turn costs beside its own counting.
func BenchmarkFit(b *testing.B) {
	c := testCounter(b)
	text := strings.Repeat("请帮我写一封邮件，通知客户会议改期。", 20)
	n := c.count(text)
	var history []chat.Turn
	for range 20 {
		history = append(history, chat.Turn{Question: text, Answer: text, QuestionTokens: n, AnswerTokens: n})
	}
	for _, model := range []string{"gpt-4o", "glm-4.6"} {
		b.Run(model, func(b *testing.B) {
			for b.Loop() {
				f := familyOf(model)
				for i := range history {
					c.turn(f, &history[i])
				}
			}
		})
	}
}
