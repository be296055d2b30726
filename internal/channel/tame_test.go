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
		"a reference":    {"[a]: https://evil.example \"t\"", "[a]: https://evil.example \"t\"", "a: https://evil.example"},
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

// Different conversations never share a name, whatever ids a platform has.
func FuzzConversationID(f *testing.F) {
	f.Add("a", "g", "t", "b", "g/t", "")
	f.Add("a/b", "", "", "a", "b", "")
	f.Fuzz(func(t *testing.T, u1, g1, t1, u2, g2, t2 string) {
		for _, setting := range []string{channel.GroupMember, channel.GroupShared, channel.GroupThread} {
			a, b := channel.Place{User: u1, Group: g1, Thread: t1}, channel.Place{User: u2, Group: g2, Thread: t2}
			same := channel.ConversationID(setting, a) == channel.ConversationID(setting, b)
			if want := meet(setting, a) == meet(setting, b); same != want {
				t.Errorf("%s: %+v and %+v: one conversation is %v, want %v", setting, a, b, same, want)
			}
		}
	})
}

// meet is whom a message shares its conversation with, as a list that cannot be confused.
func meet(setting string, p channel.Place) [4]string {
	switch {
	case p.Group == "":
		return [4]string{"single", p.User}
	case setting == channel.GroupMember:
		return [4]string{"member", p.Group, p.User}
	case setting == channel.GroupThread && p.Thread != "":
		return [4]string{"thread", p.Group, p.Thread}
	}
	return [4]string{"group", p.Group}
}

func TestTameKeepsText(t *testing.T) {
	for _, text := range []string{"你好", "a <b> c", "x[1] = y(2)", "```\n<at>\n"} {
		if got := strings.ReplaceAll(channel.TameMarkdown(text), "\u2060", ""); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
