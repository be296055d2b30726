package llm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

func testCounter(t testing.TB) *counter {
	t.Helper()
	c, err := newCounter()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// turns makes counted turns named by their size: a turn of n takes n tokens of a window, overhead included.
func turns(sizes ...int) (list []chat.Turn) {
	for i, n := range sizes {
		list = append(list, chat.Turn{Question: fmt.Sprintf("q%d", i), Answer: "a", QuestionTokens: n - 2*perMessage - 1, AnswerTokens: 1})
	}
	return list
}

func TestFit(t *testing.T) {
	c := testCounter(t)
	half := []chat.Turn{{Question: "q0"}, {Answer: "a1"}, {Question: "q2", Answer: "a2", QuestionTokens: 1, AnswerTokens: 1}}
	for _, test := range []struct {
		name     string
		window   int
		output   int
		question int // tokens
		system   string
		history  []chat.Turn
		want     []string // questions kept
		tokens   int
		tooLarge bool
	}{
		{"everything", 1000, 100, 10, "", turns(100, 200, 300), []string{"q0", "q1", "q2"}, 616, false},
		{"the newest", 1000, 100, 10, "", turns(600, 500, 300), []string{"q1", "q2"}, 816, false},
		{"no gaps", 1000, 100, 10, "", turns(10, 900, 300), []string{"q2"}, 316, false},
		{"to the last token", 700, 100, 84, "", turns(210, 300), []string{"q0", "q1"}, 600, false},
		{"one token over", 700, 100, 85, "", turns(210, 300), []string{"q1"}, 391, false},
		{"nothing fits", 700, 100, 10, "", turns(1000), nil, 16, false},
		{"no history", 700, 100, 10, "", nil, nil, 16, false},
		{"halves are left out", 700, 100, 10, "", half, []string{"q2"}, 24, false},
		{"system prompt", 700, 100, 10, "one two three", turns(578), []string{"q0"}, 600, false},
		{"system prompt pushes out", 700, 100, 10, "one two three four", turns(578), nil, 23, false},
		{"the question alone", 700, 100, 594, "", turns(10), nil, 600, false},
		{"the question is too large", 700, 100, 595, "", turns(10), nil, 0, true},
		{"with the system prompt", 700, 100, 594, "one", nil, nil, 0, true},
		{"default room", 1000, 0, 744, "", nil, nil, 750, false},
		{"default room is kept", 1000, 0, 745, "", nil, nil, 0, true},
		{"a greedy wish gets half", 1000, 5000, 494, "", nil, nil, 500, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := chat.Request{Question: "q", System: test.system, History: test.history, MaxOutput: test.output}
			p, err := c.fit(req, route.Choice{Model: "gpt-4o", Window: test.window}, test.question)
			if test.tooLarge {
				if chat.KindOf(err) != chat.TooLarge {
					t.Errorf("got %+v, %v", p, err)
				}
				return
			}
			var kept []string
			for _, turn := range p.history {
				kept = append(kept, turn.Question)
			}
			if diff := cmp.Diff(test.want, kept); diff != "" || p.tokens != test.tokens || err != nil {
				t.Errorf("%d tokens, want %d; %v %s", p.tokens, test.tokens, err, diff)
			}
		})
	}
}

// Whatever the history, what is sent never exceeds the window less the answer's room.
func TestFitNeverOverflows(t *testing.T) {
	c := testCounter(t)
	text := strings.Repeat("人工智能 and 机器学习, v2.0! ", 20)
	for _, model := range []string{"gpt-4o", "glm-4.6", "ernie-4.5", "gpt-3.5-turbo"} {
		for window := 512; window < 20_000; window += 1379 {
			req := chat.Request{Question: text, System: text}
			for range 30 {
				req.History = append(req.History, chat.Turn{Question: text, Answer: text})
			}
			p, err := c.fit(req, route.Choice{Model: model, Window: window}, c.count(text))
			if err == nil && p.tokens > window-reserve(window, 0) || err != nil && chat.KindOf(err) != chat.TooLarge {
				t.Errorf("%s, window %d: %d tokens, %v", model, window, p.tokens, err)
			}
			sent := c.count(text)*2*(len(p.history)+1) + 3
			if err == nil && sent > window {
				t.Errorf("%s, window %d: really %d tokens", model, window, sent)
			}
		}
	}
}

func TestMaxPrompt(t *testing.T) {
	c := testCounter(t)
	for _, test := range []struct {
		name     string
		bound    int
		question int
		want     int // turns kept
		tooLarge bool
	}{
		{"none", 0, 10, 3, false},
		{"wider than the window", 5000, 10, 3, false},
		{"cuts the history", 516, 10, 2, false},
		{"whole turns", 515, 10, 1, false},
		{"nothing but the question", 16, 10, 0, false},
		{"not even the question", 15, 10, 0, true},
		{"the window is less", 5000, 895, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := chat.Request{Question: "q", History: turns(100, 200, 300), MaxOutput: 100, MaxPrompt: test.bound}
			p, err := c.fit(req, route.Choice{Model: "gpt-4o", Window: 1000}, test.question)
			if (chat.KindOf(err) == chat.TooLarge) != test.tooLarge || !test.tooLarge && (err != nil || len(p.history) != test.want) {
				t.Errorf("%d turns, %v", len(p.history), err)
			}
			if err == nil && test.bound > 0 && p.tokens > test.bound {
				t.Errorf("%d tokens over a bound of %d", p.tokens, test.bound)
			}
		})
	}
	t.Run("through the service", func(t *testing.T) {
		b := newBench(t, providers("", "a", "b"), map[string][]script{"a": {says("a")}, "b": {says("b")}})
		for question, tooLarge := range map[string]bool{"short": false, strings.Repeat("word ", 100): true, strings.Repeat("x", 10_000): true} {
			req := request()
			req.Question, req.MaxPrompt = question, 50
			if _, err := b.ask(t.Context(), req); (chat.KindOf(err) == chat.TooLarge) != tooLarge || !tooLarge && err != nil {
				t.Errorf("%.10s: %v", question, err)
			}
		}
		if len(b.calls) != 1 {
			t.Errorf("%d calls", len(b.calls))
		}
	})
}

// What is asked of a provider never exceeds the window together with the prompt, on no choice of the route.
func TestMaxOutput(t *testing.T) {
	doc := strings.Replace(providers("", "a", "b"), "b/gpt-4o", "b/small", 1) + "windows: {gpt-4o: 10000, small: 1000}\n"
	for _, test := range []struct{ wish, a, b int }{{0, 0, 0}, {200, 200, 200}, {4000, 4000, 1000 - 7}, {9900, 10000 - 1006, 1000 - 7}} {
		b := newBench(t, doc, map[string][]script{"a": {fails(kind(chat.Unavailable))}, "b": {says("b")}})
		req := request()
		req.MaxOutput, req.History = test.wish, turns(500, 499)
		req.Question = "q"
		if _, err := b.ask(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if got := [2]int{b.calls[0].MaxOutput, b.calls[1].MaxOutput}; got != [2]int{test.a, test.b} {
			t.Errorf("a wish of %d becomes %v, want %d and %d", test.wish, got, test.a, test.b)
		}
	}
}

func TestTooLargeGoesToAWiderWindow(t *testing.T) {
	doc := providers("", "a", "b") + "windows: {gpt-4o: 1000, wide: 100000}\n"
	doc = strings.Replace(doc, "b/gpt-4o", "b/wide", 1)
	long := strings.Repeat("word ", 5000)
	b := newBench(t, doc, map[string][]script{"a": {says("a")}, "b": {says("b")}})
	req := request()
	req.Question = long
	got, err := b.ask(t.Context(), req)
	if diff := cmp.Diff([]string{"b/wide fallback"}, got.Starts); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for name, question := range map[string]string{"counted": strings.Repeat("word ", 100_000), "by its bytes": strings.Repeat("x", 2_000_000)} {
		req.Question = question
		if _, err := b.ask(t.Context(), req); chat.KindOf(err) != chat.TooLarge || len(b.calls) != 1 {
			t.Errorf("%s: got %v after %d calls", name, err, len(b.calls))
		}
	}
}

func TestHistoryReachesTheProvider(t *testing.T) {
	b := newBench(t, providers("", "a")+"windows: {gpt-4o: 1000}\n", map[string][]script{"a": {says("a")}})
	req := request()
	req.History = turns(700, 300, 200)
	if _, err := b.ask(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(req.History[1:], b.calls[0].History); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreChatErrors(t *testing.T) {
	if e := asError(errors.New("x")); e.Kind != chat.Internal || e.Op != opComplete {
		t.Errorf("got %+v", e)
	}
}
