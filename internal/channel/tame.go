package channel

import (
	"regexp"
	"strings"
)

// A model's text is a stranger's: it may not mention people, and a link may not say one address and lead to another.

// joiner (word joiner, U+2060) is invisible and breaks what a platform would recognise.
const joiner = "\u2060"

var (
	// mention is @all in the words of the platforms, and an @ in a tag.
	mention = regexp.MustCompile(`(?i)[@＠](all\b|everyone\b|here\b|channel\b|所有人|全体成员|全员)`)
	tag     = regexp.MustCompile(`(?i)<(/?)(at|a|font|img|script|iframe|text_tag|person|link|number_tag|audio|local_datetime|@)([\s>/=\w]?)`)
	anchor  = regexp.MustCompile(`(?is)<a\s[^>]*?href\s*=\s*["']?([^"'\s>]*)["']?[^>]*>(.*?)</a\s*>`)
	inline  = regexp.MustCompile(`!?\[([^\]\n]*)\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)`)
	refdef  = regexp.MustCompile(`(?m)^ {0,3}\[([^\]\n]+)\]:[ \t]*<?(\S+?)>?(?:[ \t]+.*)?$`)
)

// TameText makes a model's text safe for platforms that show plain text but know some tags and mentions in it (WeCom's <a href>).
func TameText(text string) string {
	text = anchor.ReplaceAllString(text, "$2 ($1)")
	text = tag.ReplaceAllString(text, "<"+joiner+"$1$2$3")
	return mention.ReplaceAllString(text, "@"+joiner+"$1")
}

// TameMarkdown makes a model's text safe for platforms that render Markdown: links show where they lead, pictures are links (nothing is loaded
// from elsewhere), tags and mentions are text. Code fences keep their links as they stand.
func TameMarkdown(text string) string {
	var out strings.Builder
	var in fence
	for line := range strings.Lines(TameText(text)) {
		bare := strings.TrimSuffix(line, "\n")
		next := in.step(bare, 1<<20)
		if !in.isOpen() && !next.isOpen() {
			line = refdef.ReplaceAllString(bare, "$1: $2") + line[len(bare):]
			line = inline.ReplaceAllStringFunc(line, plainLink)
		}
		in = next
		out.WriteString(line)
	}
	return out.String()
}

// plainLink writes a link as its text and its address.
func plainLink(link string) string {
	m := inline.FindStringSubmatch(link)
	if m[1] == "" || m[1] == m[2] {
		return m[2]
	}
	return m[1] + " (" + m[2] + ")"
}
