package channel

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	long := strings.Repeat("x", 60)
	for _, tc := range []struct {
		name  string
		text  string
		limit int
		want  []string
	}{
		{"empty", "", 10, []string{}},
		{"only white space", " \n\t\n ", 10, []string{}},
		{"fits", "hello", 5, []string{"hello"}},
		{"keeps indentation", "  a\n    b", 20, []string{"  a\n    b"}},
		{"paragraphs", "aaaa\n\nbbbb\n\ncc", 11, []string{"aaaa\n\nbbbb", "cc"}},
		{"lines", "aaaa\nbbbb\ncccc", 10, []string{"aaaa\nbbbb", "cccc"}},
		{"sentences", "你好。今天很好，真的", 16, []string{"你好。", "今天很好，", "真的"}},
		{"words", "one two three four", 10, []string{"one two", "three four"}},
		{"no pause at all", "abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"never inside a character", "一二三", 4, []string{"一", "二", "三"}},
		{"limit below a character", "😀😀", 1, []string{"😀", "😀"}},
		{"not UTF-8", "a\xffb", 10, []string{"a\uFFFDb"}},
		{
			"a fence is closed and opened again",
			"```go\n" + strings.Repeat("a()\n", 12) + "```\nend", 44,
			[]string{"```go\n" + strings.Repeat("a()\n", 8) + "```", "```go\n" + strings.Repeat("a()\n", 4) + "```\nend"},
		},
		{
			"a cut in front of a fence",
			strings.Repeat("y", 30) + "\n```go\na()\nb()\n```", 44,
			[]string{strings.Repeat("y", 30), "```go\na()\nb()\n```"},
		},
		{
			"the text closes where the cut is",
			"```go\n" + strings.Repeat("a()\n", 8) + "```\nmore text behind it", 44,
			[]string{"```go\n" + strings.Repeat("a()\n", 8) + "```", "more text behind it"},
		},
		{
			"a long line of code",
			"```go\n" + long + "\n```", 44,
			[]string{"```go\n" + long[:34] + "\n```", "```go\n" + long[:26] + "\n```"},
		},
		{
			"a fence too long for the limit is text",
			"```" + long + "\na\n```", 44,
			[]string{"```" + long[:41], long[:19] + "\na\n```"},
		},
		{"a short last paragraph is not alone", strings.Repeat("a", 60) + ". bbb\n\nend", 66, []string{strings.Repeat("a", 60) + ".", " bbb\n\nend"}},
		{"a short last line is", strings.Repeat("a", 60) + ". bbb\nend", 66, []string{strings.Repeat("a", 60) + ". bbb", "end"}},
		{"an open end stays open", "```\na\nb", 44, []string{"```\na\nb"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Split(tc.text, tc.limit)); diff != "" {
				t.Errorf("Split(%q, %d) (-want +got):\n%s", tc.text, tc.limit, diff)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("你好。\n\n```go\nfunc main() {}\n```\n再见", 64)
	f.Add(strings.Repeat("```\na\n", 20), 48)
	f.Add("~~~~ python\n\n\n\n"+strings.Repeat("x", 200)+"\n~~~~~\n", 60)
	f.Add(strings.Repeat("一二三，四五六。", 100), 2048)
	f.Add("a\n\n\n\n      b\n\t\xff", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(4, limit%4096)
		rest := strings.ToValidUTF8(text, "\uFFFD")
		for i, part := range Split(text, limit) {
			if len(part) > limit || !utf8.ValidString(part) {
				t.Fatalf("part %d has %d bytes, limit %d: %q", i, len(part), limit, part)
			}
		}
		for i, p := range cutPieces(text, limit) {
			part := p.open + p.body + p.shut
			if len(part) > limit {
				t.Fatalf("part %d has %d bytes, limit %d", i, len(part), limit)
			}
			if strings.TrimSpace(part) == "" || !utf8.ValidString(part) {
				t.Fatalf("part %d is empty or not UTF-8: %q", i, part)
			}
			at := strings.Index(rest, p.body)
			if at < 0 || !lostOnly(rest[:at]) {
				t.Fatalf("part %d is not what follows: %q, left %.60q", i, p.body, rest)
			}
			rest = rest[at+len(p.body):]
		}
		if !lostOnly(rest) {
			t.Fatalf("lost at the end: %q", rest)
		}
	})
}

// lostOnly reports whether what was dropped between two parts is white space, or a fence's closing line in place of which the earlier
// part was closed.
func lostOnly(gap string) bool {
	gap = strings.TrimSpace(gap)
	return strings.Trim(gap, "`") == "" || strings.Trim(gap, "~") == ""
}

// TestSplitKeepsTheMark: it is in the last part, never one of its own, whatever the text before it is and however it is cut.
func TestSplitKeepsTheMark(t *testing.T) {
	block := "说明如下，这里有几句话。\n\n```python\n" + strings.Repeat("print('一行代码')\n", 9) + "```\n\n然后继续。\n"
	for name, text := range map[string]string{
		"one line": strings.Repeat("一句话。", 300), "no pause": strings.Repeat("x", 1000), "paragraphs": strings.Repeat("一段话。\n\n", 100),
		"code": strings.Repeat(block, 3), "ends in code": block + "```\n" + strings.Repeat("a()\n", 200) + "```", "left open": "```\n" + strings.Repeat("a()\n", 200),
	} {
		for _, mark := range []string{"（AI 生成）", "(AI-generated)"} {
			for limit := 64; limit < 2100; limit++ {
				checkMark(t, name, text, mark, limit)
			}
		}
	}
	if parts := Split("short\n\n（AI 生成）", 2048); len(parts) != 1 || parts[0] != "short\n\n（AI 生成）" {
		t.Errorf("%q", parts)
	}
}

func checkMark(t *testing.T, name, text, mark string, limit int) {
	t.Helper()
	parts := Split(strings.TrimRight(text, "\n")+"\n\n"+mark, limit)
	last := parts[len(parts)-1]
	if !strings.HasSuffix(strings.TrimSuffix(last, "\n```"), "\n\n"+mark) && name != "left open" {
		t.Fatalf("%s, limit %d: the last part is %q", name, limit, last)
	}
	if name == "left open" && !strings.Contains(last, mark) {
		t.Fatalf("%s, limit %d: no mark in %q", name, limit, last)
	}
	for i, p := range parts {
		if len(p) > limit || strings.TrimSpace(p) == mark {
			t.Fatalf("%s, limit %d: part %d is %q", name, limit, i, p)
		}
	}
	if got, want := letters(strings.Join(parts, "")), letters(text+mark); name != "code" && name != "ends in code" && got != want {
		t.Fatalf("%s, limit %d: something was lost or doubled", name, limit)
	}
}

// letters is a text without white space and fences.
func letters(s string) string { return strings.NewReplacer(" ", "", "\n", "", "`", "").Replace(s) }

// TestSplitFencesBalance checks what a reader sees: in every part each fence that opens also closes.
func TestSplitFencesBalance(t *testing.T) {
	block := "说明如下：\n\n```python\n" + strings.Repeat("print('一行代码')\n", 30) + "```\n\n然后继续。\n"
	for limit := 80; limit < 2100; limit += 37 {
		for i, part := range Split(strings.Repeat(block, 5), limit) {
			if n := strings.Count(part, "```"); n%2 != 0 {
				t.Fatalf("limit %d, part %d has %d fence lines:\n%s", limit, i, n, part)
			}
			if strings.Contains(part, "```python\n```") {
				t.Fatalf("limit %d, part %d has an empty block:\n%s", limit, i, part)
			}
		}
	}
}
