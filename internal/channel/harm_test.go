package channel_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"parley/internal/channel"
)

// What follows shares nothing with the product: a reader of Markdown as CommonMark has it, and the platforms' own forms as they document them.

var (
	feishu   = regexp.MustCompile(`(?i)<\/?(at|a|font|img|link|person|text_tag|number_tag|audio|local_datetime)(\s|/|>|=|$)`)
	wecom    = regexp.MustCompile(`<@|(?i)<a\s+[^>]*href`)
	everyone = regexp.MustCompile(`(?i)[@＠](_?all([^a-z0-9_]|$)|everyone([^a-z0-9_]|$)|所有人|所有成员|全体成员)`)
	web      = regexp.MustCompile(`(?i)<\/?(script|iframe|style|object|embed|form|svg|base|meta)(\s|/|>|=|$)|<!|<\?`)
)

// harm is what a person could be shown of a Markdown text besides text and code; empty: nothing.
func harm(markdown string) string {
	source := []byte(markdown)
	root := goldmark.DefaultParser().Parse(text.NewReader(source))
	found := ""
	loose := []byte(markdown)
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch v := n.(type) {
		case *ast.Link, *ast.Image:
			found = fmt.Sprintf("a link or a picture: %s", n.Text(source)) //nolint:staticcheck // enough for a message
		case *ast.FencedCodeBlock:
			for i := range v.Lines().Len() {
				segment := v.Lines().At(i)
				for j := segment.Start; j < segment.Stop; j++ {
					loose[j] = ' '
				}
			}
		}
		return ast.WalkContinue, nil
	})
	if found != "" {
		return found
	}
	return marks(string(loose), feishu, wecom, everyone, web)
}

// harmText is the same of a text that is shown as it is, by a platform that knows tags and mentions.
func harmText(plain string) string { return marks(plain, feishu, wecom, everyone) }

func marks(loose string, forms ...*regexp.Regexp) string {
	for _, form := range forms {
		if m := form.FindString(loose); m != "" {
			return "a form of a platform's: " + m
		}
	}
	for _, r := range loose {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) && r != '\u200e' && r != '\u200f' && r != '\u061c' {
			return fmt.Sprintf("the character %U", r)
		}
	}
	return ""
}

const evil = "https://evil.example/x"

// hostile are ways to mention people, to load something, and to lie about where a link leads.
func hostile() []string {
	return []string{
		// Everybody, in the platforms' words.
		"@all", "你好@all你好", "@ALL", "＠all", "@所有人", "@全体成员", "@everyone!", "@here", "@channel", "@_all", "@所有成员", "请看 @all", "@all@all", "a@all",
		// Feishu.
		`<at id=all></at>`, `<at user_id="all">所有人</at>`, `<at email="a@b.example"></at>`, `<AT id=all>`, "<at\nid=all>", "<at\tid=all/>", `<at id="ou_1">x</at`, "<at",
		`<person id="ou_1">`, `<link url="` + evil + `" icon="x">银行</link>`, `<font color='red'>x</font>`, `<text_tag color='red'>官方</text_tag>`,
		`<number_tag>1</number_tag>`, `<audio file_key='x'></audio>`, `<local_datetime millisecond=''></local_datetime>`, `<img src="` + evil + `"/>`,
		`<<at id=all>>`, `<at<at id=all>`, `<a<at id=all>>`,
		// WeCom.
		`<@zhang>`, `<@all>`, `< @all>`, `<a href="` + evil + `">银行</a>`, `<a href=` + evil + `>银行</a>`, `<A  class=x HREF='` + evil + `' >银行</A >`,
		"<a\nhref=\"" + evil + "\">银\n行</a>", `<a href="` + evil + `"><a href="https://other.example">x</a></a>`, `<a href="` + evil + `">没有结束`, `<a href`, `</a>`,
		`<a href="javascript:alert(1)">x</a>`, `<a x="href=https://good.example" href="` + evil + `">x</a>`,
		// Links, as CommonMark has them.
		"[银行](" + evil + ")", "[https://bank.example](" + evil + ")", "[](" + evil + ")", "[x](<" + evil + ">)", "[x](<https://evil.example/a b>)", "[x]( " + evil + " )",
		"[x](" + evil + " \"标题\")", "[x](" + evil + " '标题')", "[x](" + evil + " (标题))", "[x](\n" + evil + "\n)", "[x](" + evil + "\n\"t\")", "[x]()", "[x](#)", "[x](/path)",
		"[a[b]c](" + evil + ")", "[a[b[c]]](" + evil + ")", "[**粗**](" + evil + ")", "[a\\]b](" + evil + ")", "[a\nb](" + evil + ")", "[`a`](" + evil + ")", "[`a](" + evil + ")`",
		"[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(document.cookie))", "[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](dingtalk://dingtalkclient/page)", "[x](vbscript:a)",
		"[x](https://e.example/(a)(b))", "[x](https://e.example/((a)))", "[x](https&colon;//e.example)", "[x](https:\\//e.example)",
		"![图](https://evil.example/p.png)", "![](" + evil + ")", "![a[b]](" + evil + ")", "[![图](" + evil + ")](https://other.example)", "[![a](b)](c)", "![[a](b)](c)",
		"[a](b)[c](d)", "[a](b)(c)", "[[a](b)](c)", "[a][](b)", "[a]\u200b(b)",
		// By reference.
		"[银行][1]\n\n[1]: " + evil, "[银行]\n\n[银行]: " + evil, "[银行][]\n\n[银行]: <" + evil + "> \"t\"", "> [1]: " + evil + "\n\n[x][1]", "- [1]: " + evil + "\n\n[x][1]",
		"[x][1]\n\n[1]:\n" + evil, "[x][1]\n\n[1]:\n" + evil + "\n'titel'", "[x][a b]\n\n[a\nb]: " + evil, "![x][1]\n\n[1]: " + evil, "   [1]: " + evil + "\n[1]", "[[a]:]: " + evil + "\n\n[a]",
		// Addresses that show themselves are as they are; those that only look so are not.
		"<" + evil + ">", "<mailto:a@b.example>", evil, "<javascript:alert(1)>",
		// In tags of others, and half of it in another.
		`<script>alert(1)</script>`, `<ScRiPt src=//evil.example>`, `<iframe src="x">`, `<svg/onload=alert(1)>`, `<style>*{}</style>`, `<!-- -->`, `<!DOCTYPE x>`, `<?x ?>`, `<meta http-equiv=refresh>`,
		"<[at id=all](x)", "<[a](x) href=" + evil + ">y</a>", "@[all](x)", "<[@zhang](x)>", "@[所有人](" + evil + ")", "[@](x)all",
		"&lt;at id=all&gt;", "&#60;at id=all&#62;", "&#x5b;a](" + evil + ")", "&#91;a&#93;&#40;" + evil + "&#41;",
		// With what cannot be seen.
		"<a\u0000t id=all>", "<\u0000at id=all>", "@\u0001all", "@\x7fall", "[x]\u0000(" + evil + ")", "\u202e[x](" + evil + ")\u202c", "\u2066x\u2069", "a\rb\r\n[x](" + evil + ")", "x\u2028[1]: " + evil + "\u2028\u2028[1]",
		"@\u200ball", "<\u200bat id=all>", "＜at id=all＞", "＠ａｌｌ", "［x］（" + evil + "）", "\xff[x](" + evil + ")", "<\xffat id=all>",
		// What looks like code and is none, or ends sooner than it seems.
		"```\n[x](" + evil + ")", "```\n[x](" + evil + ")\n", "    ```\n[x](" + evil + ")\n    ```", "\t```\n[x](" + evil + ")\n\t```", "``` a`b\n[x](" + evil + ")\n```", "``\n[x](" + evil + ")\n``",
		"~~~\n```\n~~~\n[x](" + evil + ")\n```", "~~~\n[x](" + evil + ")\n~~~", "```\na\n``` b\n```\n[x](" + evil + ")\n```", "````\n```\n````\n[x](" + evil + ")\n```", "```\n````\n[x](" + evil + ")\n```",
		"- a\n  ```\n[x](" + evil + ")\n  ```", "- ```\n[x](" + evil + ")\n```", "> ```\n[x](" + evil + ")\n> ```", "> ```\n> a\n[x](" + evil + ")\n```", "1. a\n\n   ```\n   b\n[x](" + evil + ")\n   ```",
		"<div>\n```\n\n[x](" + evil + ")\n\n```", "<!--\n```\n-->\n[x](" + evil + ")\n```", "<pre>\n```\n</pre>\n[x](" + evil + ")\n```", "a <!--\n```\n--> [x](" + evil + ")\n```",
		"```\ncode\n```\n[x](" + evil + ")", "```\ncode\n```[x](" + evil + ")", "```[x](" + evil + ")\ncode\n```", "```@all\n```", "```<at id=all>\n```", "`[x](" + evil + ")`", "`` ` [x](" + evil + ")",
		"  ```\n  a\n ```\n[x](" + evil + ")\n  ```", "```\n\u0085```\n[x](" + evil + ")\n```", "```\na\r```\r[x](" + evil + ")\r```", "[a]: ```\n[x](" + evil + ")\n```", "+ ```\n\n[x](" + evil + ")\n```",
	}
}

// check judges what is made of a text.
func check(t *testing.T, in string) {
	t.Helper()
	markdown, plain := channel.TameMarkdown(in), channel.TameText(in)
	if h := harm(markdown); h != "" {
		t.Errorf("%q became %q: %s", in, markdown, h)
	}
	if h := harmText(plain); h != "" {
		t.Errorf("as text, %q became %q: %s", in, plain, h)
	}
	for _, limit := range []int{512, 2048} {
		for _, part := range channel.Split(markdown, limit) {
			if h := harm(part); h != "" {
				t.Errorf("%q has the part %q: %s", in, part, h)
			}
		}
	}
}

// TestNothingHarmfulIsShown of any form, alone, within other text, and wherever a text is cut while it is being written.
func TestNothingHarmfulIsShown(t *testing.T) {
	for _, form := range hostile() {
		for _, in := range []string{form, "前 " + form + " 后", "- " + form, "> " + form, "**" + form + "**", "a\n\n" + form + "\n\nb", form + form, "| " + form + " |", "# " + form, "*" + form} {
			check(t, in)
		}
		for i := range form {
			check(t, form[:i])
			check(t, "```\ncode\n```\n"+form[:i])
		}
	}
}

// TestPairsOfForms: one form must not undo what is done to another.
func TestPairsOfForms(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	all := hostile()
	for i, a := range all {
		for j, b := range all {
			if (i*31+j*17)%7 == 0 { // a seventh of all pairs, in every combination of neighbours
				check(t, a+b)
				check(t, a+"\n"+b)
			}
		}
	}
}

// TestHarmIsFound: a judge that finds nothing would pass everything.
func TestHarmIsFound(t *testing.T) {
	missed := 0
	for _, form := range hostile() {
		if harm(form) == "" {
			missed++
			t.Logf("by itself no harm to a reader of CommonMark: %q", form)
		}
	}
	if n := len(hostile()); missed > n/4 {
		t.Errorf("%d of %d forms do no harm untamed", missed, n)
	}
}

func FuzzTame(f *testing.F) {
	for _, form := range hostile() {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, in string) {
		check(t, in)
		if i := len(in) / 2; i > 0 {
			check(t, strings.ToValidUTF8(in[:i], ""))
		}
	})
}
