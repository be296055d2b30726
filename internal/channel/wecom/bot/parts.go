package bot

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
)

// part is one piece of a reply. Which request it becomes depends on what is still open when it is sent.
type part struct {
	// More: it follows the stream, as a message of its own (stream mode).
	More bool   `json:"more,omitempty"`
	Text string `json:"text"`
}

// readable is a reply's text as people see it.
func (b *aiBot) readable(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", chat.E(chat.Invalid, "wecombot.parts", errors.New("the reply holds nothing visible"))
	}
	if text = shown(clean(text), false); text == "" {
		text = b.words.hidden
	}
	return text, nil
}

func encodePart(p part) (chat.Part, error) {
	raw, err := encode(p)
	if err != nil {
		return nil, chat.E(chat.Internal, "wecombot.parts", err)
	}
	return raw, nil
}

func decodePart(raw chat.Part) (p part, err error) {
	if err := json.Unmarshal(raw, &p); err != nil || p.Text == "" {
		return p, chat.E(chat.Internal, "wecombot.send", errors.New("the stored part is none of this channel"))
	}
	return p, nil
}

// encode writes JSON as it is read, without escapes for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// beginning is what fits of a text, with a note below it that says what became of the rest; the text itself, if all of it fits.
func beginning(text, note string) (fits, rest string) {
	if len(text) <= maxText {
		return text, ""
	}
	note = "\n\n" + note
	pieces := channel.Split(text, maxText-len(note))
	return pieces[0] + note, strings.Join(pieces[1:], "\n")
}

// stream is a passive answer, and what a long connection's frames carry (document 101031).
type stream struct {
	Type   string     `json:"msgtype"`
	Stream streamBody `json:"stream"`
}

type streamBody struct {
	ID      string `json:"id"`
	Finish  bool   `json:"finish"`
	Content string `json:"content"` // the whole text: it replaces what was there
}

func streamOf(id, content string, finish bool) stream {
	if len(content) > maxText {
		content = channel.Split(content, maxText)[0]
	}
	return stream{typeStream, streamBody{id, finish, content}}
}

// markdown is a message of its own (documents 101138, 101463).
type markdown struct {
	Type     string `json:"msgtype"`
	Markdown text   `json:"markdown"`
}

func markdownOf(content string) markdown { return markdown{"markdown", text{content}} }
