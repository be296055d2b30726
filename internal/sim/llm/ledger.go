package llm

import (
	"fmt"
	"maps"
	"sync"
	"time"
)

// Entry is one request to the simulator.
type Entry struct {
	ID           int       `json:"id"`
	At           time.Time `json:"at"`
	EndedAt      time.Time `json:"ended_at"` // zero while it runs
	Key          string    `json:"key"`      // fingerprint as chat.Secret gives it, also of a key that a JWT was signed with; empty without a key
	AppID        string    `json:"app_id,omitempty"`
	Model        string    `json:"model"`
	User         string    `json:"user,omitempty"`
	Stream       bool      `json:"stream"`
	Messages     int       `json:"messages"`
	Earlier      int       `json:"earlier"` // user messages before the last
	System       string    `json:"system,omitempty"`
	Last         string    `json:"last"`             // the last user message
	Images       []Image   `json:"images,omitempty"` // of it
	Outcome      Outcome   `json:"outcome"`
	Fault        FaultKind `json:"fault,omitempty"`
	Code         string    `json:"code,omitempty"` // of the error that the caller got
	InputTokens  int       `json:"input_tokens"`
	OutputTokens int       `json:"output_tokens"` // sent so far, thoughts included
	// Usage is what the caller was told last, whatever became of the call; nil: nothing.
	Usage *Usage `json:"usage,omitempty"`
}

// Usage is what a call cost, in tokens.
type Usage struct {
	Input     int `json:"input"`
	Cached    int `json:"cached,omitempty"` // of Input
	Output    int `json:"output"`
	Reasoning int `json:"reasoning,omitempty"` // of Output
}

// String is the form that all the vendors use on the wire.
func (u *Usage) String() string {
	if u == nil {
		return "null"
	}
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d},`+
		`"completion_tokens_details":{"reasoning_tokens":%d}}`, u.Input, u.Output, u.Input+u.Output, u.Cached, u.Reasoning)
}

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	Running   Outcome = "running"
	Finished  Outcome = "finished"
	Cancelled Outcome = "cancelled" // the caller went away
	Faulted   Outcome = "faulted"
	Refused   Outcome = "refused" // bad key, bad request, or over a limit
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
	keys    map[string]*keyUse
}

// keyUse is a key's calls and what is left of its minute.
type keyUse struct {
	KeyStats
	requests, tokens bucket
}

// KeyStats sums up one key's calls.
type KeyStats struct {
	Running int `json:"running"`
	Most    int `json:"most"`    // running at once, ever
	Calls   int `json:"calls"`   // let in
	Limited int `json:"limited"` // refused for a limit
}

// admit lets a call begin unless its key is at a limit. Either way it is in the ledger.
func (l *ledger) admit(e Entry, lim Limits) (*Entry, limit, state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	k := l.keys[e.Key]
	if k == nil {
		k = &keyUse{}
		if l.keys == nil {
			l.keys = map[string]*keyUse{}
		}
		l.keys[e.Key] = k
	}
	met, st := k.met(lim, e.InputTokens, now)
	if met != none {
		k.Limited++
		return l.add(e, Refused, now), met, st
	}
	k.requests.spent++
	k.tokens.spent += float64(e.InputTokens)
	k.Calls++
	k.Running++
	k.Most = max(k.Most, k.Running)
	l.running++
	l.most = max(l.most, l.running)
	return l.add(e, Running, now), none, st
}

// met finds the limit that one more call would break.
func (k *keyUse) met(lim Limits, input int, now time.Time) (limit, state) {
	st := state{limits: lim}
	met := none
	if n := lim.Tokens; n > 0 {
		st.tokensLeft, st.tokenReset = int(k.tokens.left(n, now)), k.tokens.until(n, float64(n), now)
		if wait := k.tokens.until(n, float64(input), now); wait > 0 {
			met, st.wait = tooManyTokens, wait
		}
	}
	if n := lim.Requests; n > 0 {
		st.requestsLeft, st.requestsReset = int(k.requests.left(n, now)), k.requests.until(n, float64(n), now)
		if wait := k.requests.until(n, 1, now); wait > 0 {
			met, st.wait = tooManyRequests, wait
		}
	}
	if lim.Concurrency > 0 && k.Running >= lim.Concurrency {
		met = tooBusy
	}
	return met, st
}

// refuse keeps a call that never began.
func (l *ledger) refuse(e Entry) *Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(e, Refused, time.Now())
}

// add is called with the lock held.
func (l *ledger) add(e Entry, o Outcome, now time.Time) *Entry {
	l.next++
	e.ID, e.At, e.Outcome = l.next, now, o
	if o != Running {
		e.EndedAt = now
		l.ended++
	}
	if len(l.entries) >= maxEntries {
		l.entries = append([]*Entry(nil), l.entries[maxEntries/2:]...)
	}
	l.entries = append(l.entries, &e)
	return &e
}

// say notes the code of an error that the caller got.
func (l *ledger) say(e *Entry, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Code = code
}

func (l *ledger) end(e *Entry, c *completion) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.EndedAt, e.Outcome, e.Fault, e.OutputTokens, e.Usage = time.Now(), c.outcome, c.fault.Kind, c.sent+c.reasoned, c.told
	l.running--
	l.ended++
	k := l.keys[e.Key]
	k.Running--
	k.tokens.spent += float64(e.OutputTokens)
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

func (l *ledger) byKey() map[string]KeyStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[string]KeyStats, len(l.keys))
	for name, k := range maps.All(l.keys) {
		m[name] = k.KeyStats
	}
	return m
}
