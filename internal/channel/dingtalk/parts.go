package dingtalk

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// DingTalk takes bodies of 20,000 bytes at a sessionWebhook (errcode 460101) and message parameters of 15,000 in its API. How long a card's
	// text may be is documented nowhere; this has been seen to work. Apps show Markdown of more than some 3,500 characters as plain text.
	maxText    = 9000
	maxEncoded = 14000 // leaves room for what stands around the text
	maxTitle   = 20    // characters of a Markdown message's title, which notifications show
	shortText  = 500   // bytes of a text that may go without Markdown
)

// The kinds of part.
const (
	partCard     = "card"
	partMarkdown = "markdown"
	partText     = "text"
)

// part is one piece of a reply. Which request it becomes depends on what is still open when it is sent.
type part struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	// First: in a group it mentions the sender.
	First bool `json:"first,omitempty"`
}

// Parts implements channel.Channel: the first part goes into the card, where there are cards.
func (r *robot) Parts(_ chat.Message, text string, _ int64) ([]chat.Part, error) {
	const op = "dingtalk.parts"
	texts := split(channel.TameMarkdown(text))
	if len(texts) == 0 {
		return nil, chat.E(chat.Invalid, op, errors.New("the reply holds nothing visible"))
	}
	parts := make([]chat.Part, 0, len(texts))
	for i, t := range texts {
		p := part{Kind: partMarkdown, Text: t, First: i == 0}
		if i == 0 && r.template != "" {
			p.Kind = partCard
		} else if plain(t) {
			p.Kind = partText
		}
		raw, err := encode(p)
		if err != nil {
			return nil, chat.E(chat.Internal, op, err)
		}
		parts = append(parts, raw)
	}
	return parts, nil
}

// split cuts text into what the platform takes, also where escapes make it longer.
func split(text string) []string {
	for limit := maxText; ; limit /= 2 {
		texts, fits := channel.Split(text, limit), true
		for _, t := range texts {
			raw, err := encode(t)
			fits = fits && err == nil && len(raw) <= maxEncoded
		}
		if fits || limit < maxText/8 {
			return texts
		}
	}
}

// encode writes JSON as it is, without escapes for HTML.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

func decodePart(p chat.Part) (content part, err error) {
	if err := json.Unmarshal(p, &content); err != nil || content.Text == "" {
		return part{}, chat.E(chat.Internal, "dingtalk.send", errors.New("the stored part is none of this channel"))
	}
	return content, nil
}

// plain reports whether a text needs no Markdown: it is short and has nothing that Markdown would show otherwise.
func plain(text string) bool {
	return len(text) <= shortText && !strings.ContainsAny(text, "*_`#>|~[]<\\") && !strings.Contains(text, "\n-") && !strings.Contains(text, "\n1") &&
		!strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "1")
}

// title is what a notification shows of a Markdown text: its first words.
func title(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if strings.ContainsRune("#*`>|~", r) || !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, line))
		if line == "" {
			continue
		}
		if utf8.RuneCountInString(line) > maxTitle {
			line = string([]rune(line)[:maxTitle]) + "…"
		}
		return line
	}
	return "…"
}
