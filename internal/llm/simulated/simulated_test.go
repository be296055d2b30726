package simulated_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/llmtest"
	"parley/internal/llm/simulated"
)

func TestSuite(t *testing.T) { llmtest.Run(t, simulated.New(simulated.Options{})) }

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := simulated.Factory(llm.Endpoint{})
		if err != nil {
			t.Fatal(err)
		}
		began, first := time.Now(), time.Duration(0)
		a, err := p.Complete(t.Context(), llm.Call{Question: "你好"}, func(string) error {
			if first == 0 {
				first = time.Since(began)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		if first != 300*time.Millisecond || took < time.Second || took > 5*time.Second {
			t.Errorf("first piece after %v, %d characters in %v", first, len([]rune(a.Text)), took)
		}
	})
}

// TestPictures: one sees that they arrived.
func TestPictures(t *testing.T) {
	images := []chat.Picture{{Type: "image/png", Data: make([]byte, 68)}, {Type: "image/jpeg", Data: make([]byte, 1000)}}
	for question, want := range map[string]string{
		"这是什么？":         "（模拟）看到了 2 张图片（png 68 B，jpeg 1000 B）。",
		"What is this?": "(Simulated) Pictures seen: 2 (png 68 B, jpeg 1000 B).",
	} {
		a, err := simulated.New(simulated.Options{}).Complete(t.Context(), llm.Call{Question: question, Images: images}, func(string) error { return nil })
		if err != nil || !strings.HasPrefix(a.Text, want+"\n") {
			t.Errorf("%q, %v; want %q first", a.Text, err, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	history := []chat.Turn{{Question: "一"}, {Question: "上一个问题"}}
	for name, test := range map[string]struct {
		history  []chat.Turn
		question string
		has      []string
		hasNot   string
	}{
		"first":        {nil, "你好", []string{"第 1 个问题", "「你好」", "OPENAI_API_KEY"}, "在此之前"},
		"third":        {history, "你好", []string{"第 3 个问题", "在此之前你问的是：「上一个问题」"}, "「一」"},
		"English":      {history, "what time is it?", []string{"question 3", "“what time is it?”", "you asked: “上一个问题”"}, "模拟"},
		"mixed":        {nil, "什么是 Go", []string{"第 1 个问题"}, "question"},
		"neither":      {nil, "123", []string{"第 1 个问题", "「123」"}, "question"},
		"long":         {nil, strings.Repeat("长", 100), []string{strings.Repeat("长", 60) + "…"}, strings.Repeat("长", 61)},
		"space around": {nil, " 你好\n", []string{"「你好」"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := simulated.Answer(test.history, test.question)
			for _, want := range test.has {
				if !strings.Contains(got, want) {
					t.Errorf("%q lacks %q", got, want)
				}
			}
			if test.hasNot != "" && strings.Contains(got, test.hasNot) {
				t.Errorf("%q has %q", got, test.hasNot)
			}
		})
	}
}
