package channel_test

import (
	"strings"
	"testing"

	"parley/internal/channel"
)

func TestTame(t *testing.T) {
	for name, c := range map[string]struct{ in, text, markdown string }{
		"a link":         {"见[官网](https://a.example/x)。", "见[官网](https://a.example/x)。", "见官网 (https://a.example/x)。"},
		"a forged link":  {"[https://bank.example](https://evil.example)", "[https://bank.example](https://evil.example)", "https://bank.example (https://evil.example)"},
		"a picture":      {"![x](https://evil.example/p.png)", "![x](https://evil.example/p.png)", "x (https://evil.example/p.png)"},
		"a reference":    {"[a]: https://evil.example \"t\"", "[a]: https://evil.example \"t\"", "[a]\u2060: https://evil.example \"t\""},
		"an anchor":      {`<a href="https://evil.example">银行</a>`, "银行 (https://evil.example)", "银行 (https://evil.example)"},
		"@all":           {"@all @所有人 ＠ALL", "@\u2060all @\u2060所有人 @\u2060ALL", "@\u2060all @\u2060所有人 @\u2060ALL"},
		"a mention tag":  {`<at id=all></at> <@zhang>`, "<\u2060at id=all><\u2060/at> <\u2060@zhang>", "<\u2060at id=all><\u2060/at> <\u2060@zhang>"},
		"code":           {"```md\n[a](https://b.example)\n```", "```md\n[a](https://b.example)\n```", "```md\n[a](https://b.example)\n```"},
		"an address":     {"a@allen.example is < 3", "a@allen.example is < 3", "a@allen.example is < 3"},
		"nothing of it":  {"1 < 2，见 https://a.example", "1 < 2，见 https://a.example", "1 < 2，见 https://a.example"},
		"with newlines":  {"a\n\n- b\n", "a\n\n- b\n", "a\n\n- b\n"},
		"with its title": {`[a](https://b.example "https://c.example")`, `[a](https://b.example "https://c.example")`, "a (https://b.example)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := channel.TameText(c.in); got != c.text {
				t.Errorf("text: %q, want %q", got, c.text)
			}
			if got := channel.TameMarkdown(c.in); got != c.markdown {
				t.Errorf("markdown: %q, want %q", got, c.markdown)
			}
		})
	}
}

func TestTameKeepsText(t *testing.T) {
	for _, text := range []string{"你好", "a <b> c", "x[1] = y(2)", "```\n<at>\n", "#include <algorithm>\nstd::vector<auto> v; f<image>", "a\tb"} {
		if got := strings.ReplaceAll(channel.TameMarkdown(text), "\u2060", ""); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	// Code is what people copy: to the byte.
	for _, code := range []string{
		"```cpp\n#include <algorithm>\nauto f = [](int a) { return <at>(a); };\n```\n", "1. 步骤：\n   ```bash\n   echo '@all' [a](b)\n\n   <at id=all>\n   ```\n2. 完成",
		"一\n\n````md\n[a](https://b.example)\n````\n\n二\n\n```\n[c](d)\n```",
	} {
		if got := channel.TameMarkdown(code); got != code {
			t.Errorf("%q became %q", code, got)
		}
	}
}
