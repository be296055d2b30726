package dev

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhoseAnswerIsShown(t *testing.T) {
	long := strings.Repeat("一段很长的回答。", 40)
	given := []Answer{
		{Turn: "1", Text: "好的。第一个回答", Provider: "openai", Model: "gpt-4o-mini"},
		{Turn: "2", Text: long, Provider: "chatglm", Model: "glm-4.6", Degraded: true},
		{Turn: "3", Provider: "", Error: "unavailable"},
		{Turn: "4", Text: "备用的回答", Provider: "ernie", Model: "ernie-4.5", Fallback: true},
	}
	tests := []struct {
		name, shown string
		want        *By
	}{
		{"as it is", "好的。第一个回答", &By{Provider: "openai", Model: "gpt-4o-mini"}},
		{"with a note before and a mark after", "（现由 glm-4.6 为你回答）\n\n" + long + "\n\n（AI 生成）", &By{"chatglm", "glm-4.6", true, false}},
		{"the first part of several", "注意\n" + string([]rune(long)[:100]), &By{"chatglm", "glm-4.6", true, false}},
		{"a further part", string([]rune(long)[100:200]), &By{"chatglm", "glm-4.6", true, false}},
		{"a fallback", "备用的回答", &By{"ernie", "ernie-4.5", false, true}},
		{"what a command says", "直接发消息即可对话，我会记得最近的上下文。", nil},
		{"a short text that an answer happens to hold", "回答。", nil},
		{"nothing", "", nil},
	}
	p := New(Options{})
	if got := p.answers.of("好的。第一个回答"); got != nil {
		t.Errorf("before any answer: %+v", got)
	}
	for _, a := range given {
		p.Answered(a)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, p.answers.of(tt.shown)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestShownSaysWhoAnswered(t *testing.T) {
	p := New(Options{})
	p.Answered(Answer{Turn: "1", Text: "青色", Provider: "chatglm", Model: "glm-4.6", Degraded: true})
	p.Shown("app", Shown{User: "zhangsan", Text: "（提示）\n\n青色"})
	p.Shown("app", Shown{User: "zhangsan", Text: "已停止。"})
	entries, _ := p.log.after(0)
	var got []*By
	for _, e := range entries {
		got = append(got, e.By)
	}
	if diff := cmp.Diff([]*By{{"chatglm", "glm-4.6", true, false}, nil}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersAreBoundedAndOneATurn(t *testing.T) {
	p := New(Options{})
	for i := range answersMax + 5 {
		p.Answered(Answer{Turn: fmt.Sprint(i), At: time.Unix(int64(i), 0), Question: strings.Repeat("长", 100)})
	}
	p.Answered(Answer{Turn: "20", Error: "unavailable"})
	p.Answered(Answer{Turn: "20", Provider: "openai"})
	list := p.answers.list()
	if len(list) != answersMax || list[0].Provider != "openai" || list[0].Error != "" {
		t.Errorf("%d answers, the newest %+v", len(list), list[0])
	}
	seen := map[string]bool{}
	for _, a := range list {
		if seen[a.Turn] {
			t.Errorf("turn %s stands twice", a.Turn)
		}
		seen[a.Turn] = true
		if n := len([]rune(a.Question)); n > 61 {
			t.Errorf("a question of %d characters", n)
		}
	}
}
