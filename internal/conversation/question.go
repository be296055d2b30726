package conversation

import (
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
)

// maxQuote is how many characters of a quoted message are part of a question.
const maxQuote = 2000

// question is what a message asks: what it quotes, as a Markdown quotation, a mark for each picture, and its own text. The history keeps the same, so
// that the tokens that the server counts are those of what is sent again; of pictures it keeps the marks.
func question(t *chat.Tenant, m chat.Message) string {
	var b strings.Builder
	if quote := quoted(t, m); quote != "" {
		b.WriteString("> " + strings.ReplaceAll(quote, "\n", "\n> ") + "\n\n")
	}
	b.WriteString(strings.Repeat(text(t, "picture"), min(len(m.Images), chat.MaxImages)))
	if len(m.Images) > 0 && m.Text != "" {
		b.WriteString(" ")
	}
	b.WriteString(m.Text)
	return strings.TrimRight(b.String(), "\n")
}

// quoted is the quotation, cut to what is left beside the text of the characters that a message may have: nobody can shorten what others wrote.
func quoted(t *chat.Tenant, m chat.Message) string {
	quote, most := strings.TrimSpace(m.Quote), maxQuote
	if t.Limits.MaxInput > 0 {
		most = min(most, t.Limits.MaxInput-utf8.RuneCountInString(m.Text))
	}
	if most <= 0 {
		return ""
	}
	if r := []rune(quote); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return quote
}

// asks reports whether a message holds anything to be answered.
func asks(m chat.Message) bool {
	return strings.TrimSpace(m.Text) != "" || strings.TrimSpace(m.Quote) != "" || len(m.Images) > 0
}
