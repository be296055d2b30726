package channel

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A model's text is a stranger's: it may not mention people, and a link may not say one address and lead to another.

// joiner (word joiner, U+2060) is invisible and breaks what a platform would recognise.
const joiner = "\u2060"

var (
	// mention is @all in the words of the platforms.
	mention = regexp.MustCompile(`(?i)[@＠](all\b|_all\b|everyone\b|here\b|channel\b|所有人|所有成员|全体成员|全员)`)
	// tag is what platforms read as more than text: mentions, links, pictures, people; and the @ of WeCom's <@user>.
	tag = regexp.MustCompile(`(?i)<(/?)(at|a|font|img|image|person|link|text_tag|number_tag|local_datetime|audio|video|record|` +
		`script|style|iframe|object|embed|form|svg|base|meta)([\s/>=]|$)`)
	atTag  = regexp.MustCompile(`<([@!?])`)
	anchor = regexp.MustCompile(`(?is)<a\s[^>]*?href\s*=\s*["']?([^"'\s>]*)["']?[^>]*>(.*?)</a\s*>`)
	inline = regexp.MustCompile(`!?\[([^\]\n]*)\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)`)
	// brackets are what makes a link of what stands before them, or defines one.
	brackets = strings.NewReplacer("](", "]"+joiner+"(", "]:", "]"+joiner+":")
	// lineEnds are what ends a line besides a newline.
	lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n", "\v", "\n", "\f", "\n")
)

// TameText makes a model's text safe for platforms that show plain text but know some tags and mentions in it (WeCom's <a href>).
func TameText(text string) string {
	text = clean(text)
	if strings.Contains(text, "<") {
		text = anchor.ReplaceAllString(text, "$2 ($1)")
	}
	return tameTags(text)
}

// TameMarkdown makes a model's text safe for platforms that render Markdown: links show where they lead, pictures are links (nothing is loaded
// from elsewhere), tags and mentions are text. Blocks of code stay as they are, wherever everybody agrees that they are such.
func TameMarkdown(text string) string {
	var out strings.Builder
	for _, b := range blocks(clean(text)) {
		if !b.code {
			b.text = tameLinks(b.text)
		}
		out.WriteString(b.text)
	}
	return out.String()
}

// tameLinks is for text outside of code. Tags and mentions come last: they may be left over from a link.
func tameLinks(text string) string {
	text = anchor.ReplaceAllString(text, "$2 ($1)")
	text = inline.ReplaceAllStringFunc(text, plainLink)
	return tameTags(brackets.Replace(text))
}

func tameTags(text string) string {
	if strings.Contains(text, "<") {
		text = tag.ReplaceAllString(text, "<"+joiner+"$1$2$3")
		text = atTag.ReplaceAllString(text, "<"+joiner+"$1")
	}
	if strings.Contains(text, "@") || strings.Contains(text, "＠") {
		text = mention.ReplaceAllString(text, "@"+joiner+"$1")
	}
	return text
}

// plainLink writes a link as its text and its address.
func plainLink(link string) string {
	m := inline.FindStringSubmatch(link)
	if m[1] == "" || m[1] == m[2] {
		return m[2]
	}
	return m[1] + " (" + m[2] + ")"
}

// clean makes every end of a line a newline, and takes out what has no form: control characters, and those that turn the direction of writing, by which
// an address can be made to look like another.
func clean(text string) string {
	if !strings.ContainsFunc(text, unclean) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if formless(r) {
			return -1
		}
		return r
	}, lineEnds.Replace(strings.ToValidUTF8(text, "\uFFFD")))
}

// unclean says that clean may change a text with r.
func unclean(r rune) bool {
	return formless(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

func formless(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
