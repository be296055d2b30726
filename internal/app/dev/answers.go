package dev

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Answer is one turn that ended, as the client service heard from the server who answered it.
type Answer struct {
	At       time.Time `json:"at"`
	Turn     string    `json:"turn"` // its id; a later Answer of the same turn takes its place
	Question string    `json:"question"`
	Text     string    `json:"-"`
	Provider string    `json:"provider"` // empty: nobody
	Model    string    `json:"model"`
	Degraded bool      `json:"degraded"` // by the operator's switch
	Fallback bool      `json:"fallback"` // after an error of an earlier choice
	Took     float64   `json:"took"`     // milliseconds
	Error    string    `json:"error,omitempty"`
}

// By names who answered, as the journal tells it.
type By struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	Degraded bool   `json:"degraded,omitempty"`
	Fallback bool   `json:"fallback,omitempty"`
}

const (
	answersMax = 20
	// likeness is how much of an answer's beginning tells it from others, in runes; a reply has notes before it and marks after it.
	likeness = 80
)

// answers keeps the newest.
type answers struct {
	mu     sync.Mutex
	newest []Answer // first
}

// Answered tells the page of a turn that ended, before its reply is shown. It does not block.
func (p *Page) Answered(a Answer) {
	l := &p.answers
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = slices.DeleteFunc(l.newest, func(b Answer) bool { return b.Turn == a.Turn })
	l.newest = slices.Insert(l.newest, 0, a)
	l.newest = l.newest[:min(len(l.newest), answersMax)]
}

func (l *answers) list() []Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Answer, len(l.newest))
	for i, a := range l.newest {
		a.Question = short(a.Question, 60)
		list[i] = a
	}
	return list
}

// of finds whose answer a shown text is: one that it holds the beginning of, or that holds the text's beginning (a further part). nil: nobody's
// that is known, as with what a command says.
func (l *answers) of(shown string) *By {
	shown = strings.TrimSpace(shown)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.newest {
		text := strings.TrimSpace(a.Text)
		if a.Provider == "" || text == "" || shown == "" {
			continue
		}
		whole := utf8.RuneCountInString(shown) >= likeness && strings.Contains(text, head(shown))
		if strings.Contains(shown, head(text)) || whole {
			return &By{a.Provider, a.Model, a.Degraded, a.Fallback}
		}
	}
	return nil
}

func head(s string) string {
	r := []rune(s)
	return strings.TrimSpace(string(r[:min(len(r), likeness)]))
}
