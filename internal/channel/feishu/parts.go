package feishu

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// The platform takes cards and rich texts of 30 KB, in the bytes of the request (document "reply to a message"). Marks of style count for more
	// than they have there.
	maxText    = 18_000
	maxEncoded = 26_000
	// more is shown at the end of what is too long for a card, until the parts come.
	more = "\n\n…"
)

// part is one piece of a reply. Which form it gets is decided when it is sent: what the platform refuses as a card goes as a rich text.
type part struct {
	Text  string `json:"text"`
	UUID  string `json:"uuid"`
	First bool   `json:"first,omitempty"` // it ends the card that was shown meanwhile
}

// Parts implements channel.Channel. unique sets the uuids of a message's answers apart: one that is answered again must be shown again.
func (b *bot) Parts(m chat.Message, text string, unique int64) ([]chat.Part, error) {
	const op = "feishu.parts"
	texts := split(tame(text))
	if len(texts) == 0 {
		return nil, chat.E(chat.Invalid, op, errors.New("the reply holds nothing visible"))
	}
	parts := make([]chat.Part, 0, len(texts))
	for i, t := range texts {
		raw, err := encode(part{Text: t, UUID: b.uuid(m, strconv.FormatInt(unique, 10)+"/"+strconv.Itoa(i)), First: i == 0})
		if err != nil {
			return nil, chat.E(chat.Internal, op, err)
		}
		parts = append(parts, raw)
	}
	return parts, nil
}

// mentions are tags that notify people. Whether Feishu leaves them alone within code is documented nowhere.
var mentions = regexp.MustCompile(`(?i)<(/?at[\s>])`)

// tame makes a model's text safe: it mentions nobody, also within code, and shows where its links lead.
func tame(text string) string {
	return mentions.ReplaceAllString(channel.TameMarkdown(text), "<\u2060$1")
}

// split cuts text into what the platform takes, also where escapes make it longer: a card is JSON within JSON.
func split(text string) []string {
	for limit := maxText; ; limit /= 2 {
		texts, fits := channel.Split(text, limit), true
		for _, t := range texts {
			inner, err := encode(t)
			outer, err2 := encode(string(inner))
			fits = fits && err == nil && err2 == nil && len(outer) <= maxEncoded
		}
		if fits || limit < maxText/8 {
			return texts
		}
	}
}

func decodePart(p chat.Part) (content part, err error) {
	if err := json.Unmarshal(p, &content); err != nil || content.Text == "" {
		return part{}, chat.E(chat.Internal, "feishu.send", errors.New("the stored part is none of this channel"))
	}
	return content, nil
}
