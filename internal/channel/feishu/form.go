package feishu

// The forms of a message.
const (
	formCard = "interactive"
	formPost = "post"
	formText = "text"
)

// elementAnswer is the card's one element.
const elementAnswer = "answer"

// card is a card (document "card JSON 2.0").
type card struct {
	Schema string     `json:"schema"`
	Config cardConfig `json:"config"`
	Body   cardBody   `json:"body"`
}

type cardConfig struct {
	Streaming bool `json:"streaming_mode"`
	Multi     bool `json:"update_multi"` // all who see it see the same
}

type cardBody struct {
	Elements []markdown `json:"elements"`
}

type markdown struct {
	Tag  string `json:"tag"`
	ID   string `json:"element_id"`
	Text string `json:"content"`
}

func newCard(text string, streaming bool) card {
	return card{
		Schema: "2.0", Config: cardConfig{Streaming: streaming, Multi: true},
		Body: cardBody{Elements: []markdown{{Tag: "markdown", ID: elementAnswer, Text: text}}},
	}
}

// mention is what notifies the asker, at the head of a card.
func (a address) mention() string {
	if a.Asker == "" {
		return ""
	}
	return "<at id=" + a.Asker + "></at>\n"
}

// piece is a piece of a rich text that is sent.
type piece struct {
	Tag  string `json:"tag"`
	Text string `json:"text,omitempty"`
	User string `json:"user_id,omitempty"`
}

// content writes a message's content, which is JSON in a text.
func (a address) content(form, text string, first bool) (string, error) {
	var v any
	switch form {
	case formCard:
		if first {
			text = a.mention() + text
		}
		v = newCard(text, false)
	case formPost:
		lines := [][]piece{{{Tag: "md", Text: text}}}
		if first && a.Asker != "" {
			lines = append([][]piece{{{Tag: "at", User: a.Asker}}}, lines...)
		}
		v = map[string]any{"zh_cn": map[string]any{"content": lines}}
	default:
		if first && a.Asker != "" {
			text = `<at user_id="` + a.Asker + `"></at> ` + text
		}
		v = map[string]string{"text": text}
	}
	raw, err := encode(v)
	return string(raw), err
}
