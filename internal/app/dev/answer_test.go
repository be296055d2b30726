package dev

import (
	"strings"
	"testing"

	"parley/internal/sim/llm"
)

func TestVoicesRecallAcrossVendors(t *testing.T) {
	gpt := Voice{llm.OpenAI, "ChatGPT", "OPENAI_API_KEY"}
	glm := Voice{llm.ChatGLM, "ChatGLM", "ZHIPU_API_KEY"}
	ernie := Voice{llm.ERNIE, "ERNIE", "QIANFAN_API_KEY"}
	all := []Voice{gpt, glm, ernie}
	dialog := func(texts ...string) []llm.Message { // system, then question and answer in turn
		list := []llm.Message{{Role: "system", Content: "第 99 个问题"}}
		for i, text := range texts {
			list = append(list, llm.Message{Role: []string{"user", "assistant"}[i%2], Content: text})
		}
		return list
	}
	gptSaid := gpt.Answer(all)(dialog("我喜欢青色"))
	glmSaid := llm.ChatGLM.Sign(glm.Answer(all)(dialog("我喜欢青色", gptSaid, "二")))
	tests := []struct {
		name   string
		voice  Voice
		dialog []llm.Message
		has    []string
		not    []string
	}{
		{"the first", gpt, dialog("你好"), []string{"（ChatGPT）", "第 1 个问题：「你好」", "OPENAI_API_KEY", "真正的 ChatGPT"}, []string{"在此之前", "99"}},
		{"another vendor goes on", glm, dialog("我喜欢青色", gptSaid, "我喜欢什么？"),
			[]string{"第 2 个问题：「我喜欢什么？」", "1. 「我喜欢青色」（ChatGPT 答）", "ZHIPU_API_KEY"}, []string{"（ChatGPT）", "（智谱 GLM）"}},
		{"and a third", ernie, dialog("我喜欢青色", gptSaid, "二", glmSaid, "三"),
			[]string{"第 3 个问题", "1. 「我喜欢青色」（ChatGPT 答）", "2. 「二」（ChatGLM 答）"}, nil},
		{"a real model has no sign", gpt, dialog("我喜欢青色", "好的，记住了。", "二"), []string{"1. 「我喜欢青色」\n"}, []string{" 答）"}},
		{"only the newest are repeated", gpt, dialog("一", "x", "二", "x", "三", "x", "四", "x", "五", "x", "六"),
			[]string{"第 6 个问题", "2. 「二」", "5. 「五」"}, []string{"「一」", "1. "}},
		{"English to English", glm, dialog("我喜欢青色", gptSaid, "what do I like?"),
			[]string{"question 2 of our conversation: “what do I like?”", "1. “我喜欢青色” (ChatGPT answered)", "the real ChatGLM"}, []string{"在此之前", "模拟回答"}},
		{"Chinese with Latin words", gpt, dialog("什么是 Go"), []string{"「什么是 Go」"}, []string{"question"}},
		{"neither", gpt, dialog("123"), []string{"「123」"}, []string{"question"}},
		{"long and on several lines", gpt, dialog(strings.Repeat("长", 59) + "\n" + strings.Repeat("短", 9)),
			[]string{strings.Repeat("长", 59) + " …"}, []string{"短"}},
		{"no question at all", gpt, dialog(), []string{"第 1 个问题：「」"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.voice.Answer(all)(tt.dialog)
			for _, want := range tt.has {
				if !strings.Contains(got, want) {
					t.Errorf("lacks %q:\n%s", want, got)
				}
			}
			for _, bad := range append(tt.not, "%!", "\n\n\n") {
				if strings.Contains(got, bad) {
					t.Errorf("holds %q:\n%s", bad, got)
				}
			}
		})
	}
}
