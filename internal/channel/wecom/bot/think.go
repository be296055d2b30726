package bot

import (
	"strings"

	"parley/internal/channel"
)

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
	// joiner (word joiner, U+2060) is invisible and breaks what the platform would take for a tag of its own.
	joiner = "\u2060"
)

// shown is a model's text as people may see it: without what it thought, and tame. unfinished: more may follow, so that what could be the beginning of a
// tag is kept back.
func shown(text string, unfinished bool) string {
	return strings.TrimSpace(channel.TameMarkdown(withoutThoughts(text, unfinished)))
}

// withoutThoughts removes <think>…</think>, also one that does not end; the platform would show it. In code the tags are text, and broken so that
// they stay it.
func withoutThoughts(text string, unfinished bool) string {
	if unfinished {
		text = withoutTornTag(text)
	}
	var out strings.Builder
	thinking, code := false, false
	for line := range strings.Lines(text) {
		if !thinking && strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code {
			out.WriteString(breakTags(line))
			continue
		}
		thinking = scanLine(&out, line, thinking)
	}
	return out.String()
}

// scanLine writes what is visible of a line outside of code blocks, and tells whether the model still thinks at its end.
func scanLine(out *strings.Builder, line string, thinking bool) bool {
	for line != "" {
		if thinking {
			_, rest, ends := cutTag(line, thinkClose)
			if !ends {
				return true
			}
			line, thinking = rest, false
			continue
		}
		before, rest, begins := cutTag(line, thinkOpen)
		if begins && strings.Count(before, "`")%2 == 1 && strings.Contains(rest, "`") { // within `code`
			inside, after, _ := strings.Cut(rest, "`")
			out.WriteString(breakTags(before + thinkOpen + inside + "`"))
			line = after
			continue
		}
		out.WriteString(breakTags(before))
		line, thinking = rest, begins
	}
	return thinking
}

// cutTag is strings.Cut, blind to the case of a tag.
func cutTag(s, tag string) (before, after string, found bool) {
	i := strings.Index(lower(s), tag)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(tag):], true
}

// lower keeps every byte in its place, which strings.ToLower does not.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func breakTags(s string) string {
	for _, tag := range []string{thinkOpen, thinkClose} {
		for {
			before, after, found := cutTag(s, tag)
			if !found {
				break
			}
			s = before + tag[:1] + joiner + tag[1:] + after
		}
	}
	return s
}

// withoutTornTag cuts off the end of a text if it could become a tag.
func withoutTornTag(text string) string {
	i := strings.LastIndexByte(text, '<')
	if end := lower(text[max(i, 0):]); i >= 0 && (strings.HasPrefix(thinkOpen, end) || strings.HasPrefix(thinkClose, end)) {
		return text[:i]
	}
	return text
}
