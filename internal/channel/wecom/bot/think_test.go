package bot

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestThoughtsStayInside(t *testing.T) {
	for _, tc := range []struct{ text, final, partial string }{
		{"回答", "回答", "回答"},
		{"<think>秘密</think>回答", "回答", "回答"},
		{"<think>\n秘密\n\n更多\n</think>\n\n回答", "回答", "回答"},
		{"<THINK>秘密</Think>回答", "回答", "回答"},
		{"<think>秘密", "", ""},
		{"回答<think>秘密</think>完", "回答完", "回答完"},
		{"一<think>秘密</think>二<think>更多</think>三", "一二三", "一二三"},
		{"一<think>秘密\n```\n秘密\n```\n</think>二", "一二", "一二"},
		{"一<thi", "一<thi", "一"},
		{"一</", "一</", "一"},
		{"a < b", "a < b", "a < b"},
		{"一<think", "一<think", "一"},
		{"标签 `<think>` 的意思", "标签 `<\u2060think>` 的意思", "标签 `<\u2060think>` 的意思"},
		{"```\n<think>代码</think>\n```", "```\n<\u2060think>代码<\u2060/think>\n```", "```\n<\u2060think>代码<\u2060/think>\n```"},
		{"没有开头</think>回答", "没有开头<\u2060/think>回答", "没有开头<\u2060/think>回答"},
		{"`没有结尾 <think>秘密</think>", "`没有结尾", "`没有结尾"},
	} {
		if got := shown(tc.text, false); got != tc.final {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.final)
		}
		if got := shown(tc.text, true); got != tc.partial {
			t.Errorf("%q, unfinished: %q, want %q", tc.text, got, tc.partial)
		}
	}
}

// TestThoughtsNeverShowWhileTheyGrow cuts a text at each of its bytes.
func TestThoughtsNeverShowWhileTheyGrow(t *testing.T) {
	text := "好的。<think>秘密甲\n```\n秘密乙</think>一<b>二\n<think>秘密丙</think>三"
	for i := range len(text) + 1 {
		got := shown(clean(text[:i]), true)
		if strings.Contains(got, "密") || strings.Contains(got, "think") || !utf8.ValidString(got) {
			t.Errorf("at %d: %q", i, got)
		}
	}
}

func TestOnlyThoughts(t *testing.T) {
	b := &aiBot{}
	b.words, _ = wordsOf("zh")
	if got, err := b.readable("<think>秘密</think>"); err != nil || got != b.words.hidden {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzThoughts(f *testing.F) {
	f.Add("一", "秘密", "二")
	f.Add("`", "```\n", "<")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if strings.ContainsAny(before+secret, "`<~") || !utf8.ValidString(before+secret+after) {
			return // code, and tags within tags, have their own rules
		}
		const mark = "MARK-OF-A-SECRET"
		if got := withoutThoughts(before+"<think>"+mark+secret+"</think>"+after, false); strings.Contains(got, mark) {
			t.Errorf("%q", got)
		}
	})
}
