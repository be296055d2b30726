package llm

import (
	"sync"
	"time"
)

// Entry is one request to the simulator.
type Entry struct {
	ID           int       `json:"id"`
	At           time.Time `json:"at"`
	EndedAt      time.Time `json:"ended_at"` // zero while it runs
	Key          string    `json:"key"`      // fingerprint as chat.Secret gives it; empty without a key
	Model        string    `json:"model"`
	User         string    `json:"user,omitempty"`
	Stream       bool      `json:"stream"`
	Messages     int       `json:"messages"`
	Earlier      int       `json:"earlier"` // user messages before the last
	System       string    `json:"system,omitempty"`
	Last         string    `json:"last"` // the last user message
	Outcome      Outcome   `json:"outcome"`
	Fault        FaultKind `json:"fault,omitempty"`
	InputTokens  int       `json:"input_tokens"`
	OutputTokens int       `json:"output_tokens"` // sent so far
}

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	Running   Outcome = "running"
	Finished  Outcome = "finished"
	Cancelled Outcome = "cancelled" // the caller went away
	Faulted   Outcome = "faulted"
	Refused   Outcome = "refused" // bad key or bad request
)

// maxEntries bounds the ledger; the oldest go first.
const maxEntries = 2_000_000

type ledger struct {
	mu      sync.Mutex
	entries []*Entry
	next    int
	running int
	most    int
	ended   int
}

func (l *ledger) begin(e Entry) *Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	e.ID, e.At, e.Outcome = l.next, time.Now(), Running
	if len(l.entries) >= maxEntries {
		l.entries = append([]*Entry(nil), l.entries[maxEntries/2:]...)
	}
	l.entries = append(l.entries, &e)
	l.running++
	l.most = max(l.most, l.running)
	return &e
}

func (l *ledger) end(e *Entry, o Outcome, f FaultKind, output int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.EndedAt, e.Outcome, e.Fault, e.OutputTokens = time.Now(), o, f, output
	l.running--
	l.ended++
}

func (l *ledger) list() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Entry, len(l.entries))
	for i, e := range l.entries {
		list[i] = *e
	}
	return list
}

func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// Stats sums up the ledger, the entries already dropped from it included.
type Stats struct {
	Running int `json:"running"`
	Most    int `json:"most"` // running at once
	Ended   int `json:"ended"`
}

func (l *ledger) stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.running, l.most, l.ended}
}
