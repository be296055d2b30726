package feishu

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Shown is one message of a bot as people see it now.
type Shown struct {
	AppID        string
	Chat         string
	ID           string
	ReplyTo      string // the message that it answers; empty: none
	Thread, Root string // the topic that it is in, and its root
	At           time.Time
	Type         string // interactive, post, text
	Text         string
	Mentions     []string // open_ids, or all
	UUID         string
	Card         string // its card entity; empty: none
	Streaming    bool   // the card is being written
	Versions     int    // how often its text was changed
}

// ledger keeps what happened, by chat.
type ledger struct {
	onShown func(Shown)

	mu    sync.Mutex
	chats map[string]*record
	stats Stats
}

type record struct {
	posted  []Posted
	shown   []Shown
	changed chan struct{}
}

// Stats are counts since the start.
type Stats struct {
	Posted     int
	Acked      int
	Tries      int
	Again      int // deliveries after the acknowledgement
	AgainAcked int
	Shown      int
	Redrawn    int            // changes of cards that people saw
	Duplicates int            // messages with a uuid that was shown already
	Calls      map[string]int // by API, refused ones included
}

func newLedger(onShown func(Shown)) *ledger {
	return &ledger{onShown: onShown, chats: make(map[string]*record)}
}

// of finds or makes a chat's record. The caller holds the lock.
func (l *ledger) of(chat string) *record {
	r := l.chats[chat]
	if r == nil {
		r = &record{changed: make(chan struct{})}
		l.chats[chat] = r
	}
	return r
}

func (l *ledger) post(p Posted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(p.ChatOf())
	r.posted = append(r.posted, p)
	l.stats.Posted++
	l.stats.Tries += len(p.Tries)
	if p.Acked {
		l.stats.Acked++
	}
}

func (l *ledger) again(t Try) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Again++
	if t.Status == http.StatusOK {
		l.stats.AgainAcked++
	}
}

func (l *ledger) duplicate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Duplicates++
}

func (l *ledger) show(m Shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(m.Chat)
	r.shown = append(r.shown, m)
	l.stats.Shown++
	l.tell(r, m)
}

func (l *ledger) redraw(m Shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(m.Chat)
	if i := slices.IndexFunc(r.shown, func(have Shown) bool { return have.ID == m.ID }); i >= 0 {
		r.shown[i] = m
		l.stats.Redrawn++
		l.tell(r, m)
	}
}

func (l *ledger) tell(r *record, m Shown) {
	close(r.changed)
	r.changed = make(chan struct{})
	if l.onShown != nil {
		l.onShown(m)
	}
}

// Shown lists a chat's messages of bots, in order, as they are now.
func (s *Sim) Shown(chat string) []Shown {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.of(chat).shown)
}

// Posted lists what people posted in a chat, in the order in which it was acknowledged or given up.
func (s *Sim) Posted(chat string) []Posted {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.Clone(s.ledger.of(chat).posted)
}

// Chats lists the chats that the ledger knows, sorted.
func (s *Sim) Chats() []string {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.ledger.chats), cmp.Compare[string])
}

// Await blocks until a chat has n messages of bots that are complete (no card is being written), and returns them.
func (s *Sim) Await(ctx context.Context, chat string, n int) ([]Shown, error) {
	for {
		s.ledger.mu.Lock()
		r := s.ledger.of(chat)
		shown, changed := slices.Clone(r.shown), r.changed
		s.ledger.mu.Unlock()
		complete := 0
		for _, m := range shown {
			if !m.Streaming {
				complete++
			}
		}
		if complete >= n {
			return shown, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return shown, fmt.Errorf("%s was shown %d of %d complete messages: %w", chat, complete, n, ctx.Err())
		}
	}
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.ledger.mu.Lock()
	stats := s.ledger.stats
	s.ledger.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Calls = maps.Clone(s.calls)
	return stats
}
