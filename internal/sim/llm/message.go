package llm

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"parley/internal/sim"
)

// Message is one of a request's messages. On the wire its content is a text, or a list of parts with pictures among them.
type Message struct {
	Role    string
	Content string // its texts
	Images  []Image
}

// Image is a picture that came with a message.
type Image struct {
	Type  string `json:"type"` // by its bytes
	Bytes int    `json:"bytes"`
}

// imageTokens is what a picture costs here.
const imageTokens = 1000

// maxImage is the most bytes of a picture that the strictest vendor takes (GLM-4V: 5 MB).
const maxImage = 5 << 20

// messages reads the list of a request's messages.
func messages(s *sim.Scanner) (list []Message, err error) {
	err = s.List('[', ']', func() error {
		m, err := message(s)
		list = append(list, m)
		return err
	})
	return list, err
}

func message(s *sim.Scanner) (m Message, err error) {
	err = s.Object(func(name string) error {
		var err error
		switch {
		case name == "role":
			m.Role, err = s.Text()
		case name == "content" && s.Next() == '"':
			m.Content, err = s.Text()
		case name == "content" && s.Next() == '[':
			var parts json.RawMessage
			if parts, err = s.Raw(); err == nil {
				err = m.read(parts)
			}
		default:
			var v json.RawMessage
			if v, err = s.Raw(); err == nil && name == "content" && string(v) != "null" {
				err = sim.ErrJSON
			}
		}
		return err
	})
	if err == nil && len(m.Images) > 0 && m.Role != "user" {
		err = fmt.Errorf("a picture in a message of %s", m.Role)
	}
	return m, err
}

// read takes content that is a list of parts. Pictures must come in the request itself and be what they say.
func (m *Message) read(content json.RawMessage) error {
	var parts []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL struct {
			URL string `json:"url"`
		} `json:"image_url"`
	}
	if err := json.Unmarshal(content, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		switch p.Type {
		case "text":
			m.Content += p.Text
		case "image_url":
			image, err := readImage(p.ImageURL.URL)
			if err != nil {
				return err
			}
			m.Images = append(m.Images, image)
		default:
			return fmt.Errorf("a part of type %q", p.Type)
		}
	}
	return nil
}

func readImage(url string) (Image, error) {
	head, data, ok := strings.Cut(strings.TrimPrefix(url, "data:"), ";base64,")
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	switch is := http.DetectContentType(raw); {
	case !ok || err != nil:
		return Image{}, errors.New("no data: URL in base64")
	case is != head || !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, is):
		return Image{}, fmt.Errorf("a picture that says it is %q and is %s", head, is)
	case len(raw) > maxImage:
		return Image{}, fmt.Errorf("a picture of %d bytes", len(raw))
	default:
		return Image{is, len(raw)}, nil
	}
}

// looks reports whether a request has pictures.
func (q *request) looks() bool {
	return slices.ContainsFunc(q.Messages, func(m Message) bool { return len(m.Images) > 0 })
}

// sees knows models that look at pictures by how vendors name them; the real ones refuse pictures to others.
func sees(model string) bool {
	return slices.ContainsFunc([]string{"4o", "gpt-4.1", "gpt-5", "4v", "4.1v", "4.5v", "4.6v", "-vl"}, func(mark string) bool {
		return strings.Contains(model, mark)
	})
}
