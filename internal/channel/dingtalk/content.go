package dingtalk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// content is what a message holds: of its own under text or content, of a quoted one below repliedMsg. Its fields are those of all kinds.
type content struct {
	Content     string   `json:"content"` // of a text
	Text        string   `json:"text"`    // of a quoted text, in some clients
	RichText    []piece  `json:"richText"`
	Picture     string   `json:"downloadCode"`
	Recognition string   `json:"recognition"` // what was said in an audio
	FileName    string   `json:"fileName"`
	Card        *element `json:"cardContent"` // of a quoted card

	IsReply bool   `json:"isReplyMsg"`
	Replied *reply `json:"repliedMsg"`
}

// UnmarshalJSON implements json.Unmarshaler. There are more kinds than are documented, and fields of one name differ between them: what does not
// fit is left out, and the message is not refused for it.
func (c *content) UnmarshalJSON(data []byte) error {
	type plain content
	_ = json.Unmarshal(data, (*plain)(c))
	return nil
}

// reply is the message that a person answers to. DingTalk documents it nowhere.
type reply struct {
	Type    string  `json:"msgType"`
	Content content `json:"content"`
}

// piece is a part of a rich text: words or a picture. Quoted ones say msgType and content where others say type and text.
type piece struct {
	Text    string `json:"text"`
	Content string `json:"content"`
	Picture string `json:"downloadCode"`
}

// element is a part of a quoted card.
type element struct {
	Type     string    `json:"elementType"`
	Value    string    `json:"value"`
	Children []element `json:"children"`
}

// read gives the words and the pictures of a content.
func (c *content) read() (text string, pictures []string) {
	var words strings.Builder
	words.WriteString(cmp.Or(c.Content, c.Text))
	if c.Picture != "" {
		pictures = append(pictures, c.Picture)
	}
	for _, p := range c.RichText {
		words.WriteString(cmp.Or(p.Text, p.Content))
		if p.Picture != "" {
			pictures = append(pictures, p.Picture)
		}
	}
	words.WriteString(c.Recognition + c.FileName)
	if c.Card != nil {
		c.Card.read(&words)
	}
	return words.String(), pictures
}

func (e *element) read(words *strings.Builder) {
	if e.Type == "TEXT" && e.Value != "" {
		words.WriteString(e.Value + "\n")
	}
	for i := range e.Children {
		e.Children[i].read(words)
	}
}

// quote gives the words and the pictures of the message that this one answers to.
func (in incoming) quote() (text string, pictures []string) {
	for _, c := range []content{in.Text, in.Content} {
		if c.IsReply && c.Replied != nil {
			text, pictures = c.Replied.Content.read()
			if c.Replied.Type != "picture" && c.Replied.Type != "richText" { // what a file's code leads to is no picture
				pictures = nil
			}
			return strings.TrimSpace(text), pictures
		}
	}
	return "", nil
}

// decode decodes an object. Its errors quote nothing of what people wrote.
func decode(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 || bytes.TrimSpace(body)[0] != '{' {
		return errors.New("the body is no JSON object")
	}
	err := json.Unmarshal(body, v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s has the wrong type", t.Field)
	}
	if err != nil {
		return errors.New("the body is not JSON")
	}
	return nil
}
