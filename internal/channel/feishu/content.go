package feishu

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
)

// The kinds of message that are read (document "content of received messages").
const (
	typeText  = "text"
	typePost  = "post"
	typeImage = "image"
)

// content is what a message says.
type content struct {
	text   string
	images []chat.Image
}

// element is a piece of a rich text. Its fields are those of all tags.
type element struct {
	Tag   string `json:"tag"`
	Text  string `json:"text"`
	Href  string `json:"href"`
	User  string `json:"user_id"` // a placeholder, as in texts
	Name  string `json:"user_name"`
	Image string `json:"image_key"`
	Emoji string `json:"emoji_type"`
}

// post is a rich text: lines of pieces.
type post struct {
	Title string      `json:"title"`
	Lines [][]element `json:"content"`
}

// placeholder stands for a mention.
var placeholder = regexp.MustCompile(`@_(user_\d+|all)`)

// read gives the words and the pictures of a content, JSON by its kind. me is the bot's open_id, whose mention is left out; what cannot be read is
// empty.
func read(message, kind, raw string, mentions []mention, me string) (c content) {
	names := make(map[string]string)
	for _, at := range mentions {
		if me != "" && string(at.ID) == me {
			names[at.Key] = ""
		} else {
			names[at.Key] = "@" + channel.Printable(at.Name)
		}
	}
	named := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(key string) string {
			if name, ok := names[key]; ok {
				return name
			}
			if key == "@_all" {
				return "@所有人"
			}
			return key
		})
	}
	switch kind {
	case typeText:
		var in struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal([]byte(raw), &in)
		c.text = named(in.Text)
	case typeImage:
		var in struct {
			Key string `json:"image_key"`
		}
		_ = json.Unmarshal([]byte(raw), &in)
		c.images = imageOf(message, in.Key)
	case typePost:
		c = readPost(message, raw, named)
	}
	c.text = strings.TrimSpace(c.text)
	c.images = c.images[:min(len(c.images), chat.MaxImages)]
	return c
}

// readPost reads a rich text, also one that stands under its language.
func readPost(message, raw string, named func(string) string) (c content) {
	var in post
	if json.Unmarshal([]byte(raw), &in) != nil || len(in.Lines) == 0 && in.Title == "" {
		var byLanguage map[string]post
		_ = json.Unmarshal([]byte(raw), &byLanguage)
		for _, language := range slices.Sorted(maps.Keys(byLanguage)) {
			in = byLanguage[language]
		}
	}
	lines := []string{in.Title}
	for _, elements := range in.Lines {
		var line strings.Builder
		for _, e := range elements {
			line.WriteString(e.words(named))
			if e.Tag == "img" {
				c.images = append(c.images, imageOf(message, e.Image)...)
			}
		}
		lines = append(lines, line.String())
	}
	c.text = strings.Join(lines, "\n")
	return c
}

func (e element) words(named func(string) string) string {
	switch e.Tag {
	case "at":
		if name := named(e.User); name != e.User || e.Name == "" {
			return name
		}
		return "@" + channel.Printable(e.Name)
	case "a":
		if e.Text == e.Href || e.Href == "" {
			return named(e.Text)
		}
		return named(e.Text) + " (" + e.Href + ")"
	case "code_block":
		return "\n```\n" + strings.TrimSuffix(e.Text, "\n") + "\n```\n"
	case "emotion":
		return "[" + e.Emoji + "]"
	case "hr":
		return "---"
	}
	return named(e.Text)
}

// imageRef is where a picture lies: a key is good together with its message only.
type imageRef struct {
	Message string `json:"message"`
	Key     string `json:"key"`
}

func imageOf(message, key string) []chat.Image {
	if !isID(key) {
		return nil
	}
	ref, err := json.Marshal(imageRef{message, key})
	if err != nil {
		return nil
	}
	return []chat.Image{{Ref: ref}}
}
