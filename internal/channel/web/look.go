package web

import (
	"strings"
	"unicode/utf8"

	"parley/internal/channel"
)

// look is what a tenant chooses of the page's words. Empty texts are the page's own, in the person's language.
type look struct {
	Title    string   // in the head and the window
	Language string   // of the page until the person chooses: zh or en
	Hello    string   // the empty page's heading
	Notice   string   // below the box to write in
	Ideas    []string // questions that the empty page offers
}

const maxIdeas = 6

func newLook(s channel.Settings) look {
	l := look{
		Title: words(s, "title", "AI 助手", 60), Language: s.Optional("language", s.Language()), Hello: words(s, "hello", "", 100), Notice: words(s, "notice", "", 200),
	}
	if l.Language != "zh" && l.Language != "en" {
		s.Faultf("language", "%q is not known: use zh or en", l.Language)
	}
	for line := range strings.Lines(words(s, "ideas", "", maxIdeas*200)) {
		if line = strings.TrimSpace(line); line != "" {
			l.Ideas = append(l.Ideas, line)
		}
	}
	if len(l.Ideas) > maxIdeas {
		s.Faultf("ideas", "there are %d: write at most %d questions, each on a line of its own", len(l.Ideas), maxIdeas)
	}
	return l
}

// words reads an optional text of at most so many characters.
func words(s channel.Settings, field, def string, most int) string {
	text := strings.TrimSpace(s.Optional(field, def))
	if n := utf8.RuneCountInString(text); n > most {
		s.Faultf(field, "has %d characters: write at most %d", n, most)
	}
	return text
}
