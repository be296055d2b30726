package dingtalk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The ways in which something is shown.
const (
	WayWebhook = "webhook"
	WayRobot   = "robot" // the robot's API
	WayCard    = "card"
)

// Shown is one message or card in a chat.
type Shown struct {
	App      string
	Chat     string // a group's conversationId, or the person's id in a single chat
	Way      string
	Type     string // text, markdown, card
	Title    string
	Content  string
	Mentions []string // ids, and "@all"
	At       time.Time
	// Of a card: its outTrackId, how often it was written, and how it ended.
	Card    string
	Updates int
	Final   bool
	Failed  bool
}

// Whole reports whether nothing more is to come: a message, or a card that has ended.
func (s Shown) Whole() bool { return s.Type != "card" || s.Final || s.Failed }

// ledger keeps what each chat was shown.
type ledger struct {
	onShown func(Shown)

	mu      sync.Mutex
	shown   map[string][]Shown
	posted  map[string][]Posted
	changed chan struct{}
	over    int
}

func newLedger(onShown func(Shown)) *ledger {
	return &ledger{onShown: onShown, shown: map[string][]Shown{}, posted: map[string][]Posted{}, changed: make(chan struct{})}
}

func place(app, chat string) string { return app + "\x00" + chat }

// show adds what is shown, or changes the card of that name.
func (l *ledger) show(s Shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place(s.App, s.Chat)
	i := slices.IndexFunc(l.shown[at], func(have Shown) bool { return s.Card != "" && have.Card == s.Card })
	if i < 0 {
		l.shown[at] = append(l.shown[at], s)
	} else {
		s.At, s.Updates = l.shown[at][i].At, l.shown[at][i].Updates+1
		l.shown[at][i] = s
	}
	close(l.changed)
	l.changed = make(chan struct{})
	if l.onShown != nil {
		l.onShown(s)
	}
}

func (l *ledger) limited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over++
}

func (l *ledger) post(p Posted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place(p.App, p.chat())
	l.posted[at] = append(l.posted[at], p)
}

// recent counts what a chat was shown by webhook since a time.
func (l *ledger) recent(app, chat string, since time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shown[place(app, chat)] {
		if s.Way == WayWebhook && s.At.After(since) {
			n++
		}
	}
	return n
}

// Shown lists what a chat shows, in order.
func (s *Sim) Shown(app, chat string) []Shown {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.shown[place(app, chat)])
}

// Posted lists what was said in a chat and acknowledged or given up.
func (s *Sim) Posted(app, chat string) []Posted {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.posted[place(app, chat)])
}

// Limited counts the calls refused for their number.
func (s *Sim) Limited() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.ledger.over
}

// Await waits until a chat shows n whole messages and cards, and returns all of it.
func (s *Sim) Await(ctx context.Context, app, chat string, n int) ([]Shown, error) {
	for {
		s.ledger.mu.Lock()
		shown, changed := slices.Clone(s.ledger.shown[place(app, chat)]), s.ledger.changed
		s.ledger.mu.Unlock()
		whole := 0
		for _, m := range shown {
			if m.Whole() {
				whole++
			}
		}
		if whole >= n {
			return shown, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return shown, fmt.Errorf("%s was shown %d whole messages of %d: %w", chat, whole, n, ctx.Err())
		}
	}
}
