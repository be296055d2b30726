package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Entry is one deed. Everything but Action may be empty. It names operators, and of the people who chat nobody.
type Entry struct {
	Seq     int64             `json:"seq"` // its place in the chain, from 1 on
	At      time.Time         `json:"at"`
	By      string            `json:"by,omitempty"`     // a user of the console, or login@machine
	Via     string            `json:"via,omitempty"`    // one of the constants below
	Action  string            `json:"action"`           // a word: degrade, restore, retry, drop, publish, drain, look, login, forget, …
	Object  string            `json:"object,omitempty"` // what it was done to: a document, a server, a dead letter, an opaque id
	Tenant  string            `json:"tenant,omitempty"`
	Reason  string            `json:"reason,omitempty"`  // in the words of who did it
	Details map[string]string `json:"details,omitempty"` // revisions, counts; never a text that somebody wrote in a chat
	Prev    string            `json:"prev"`              // the hash of the entry before; empty: it is the chain's first
	Hash    string            `json:"hash"`              // of this entry; not part of what is hashed
}

// Ways by which deeds are done.
const (
	ViaCommand = "command"
	ViaConsole = "console"
	ViaChat    = "chat"
)

// Operators is the log of what operators did; each tenant's people have one of their own, by the tenant's name.
const Operators = ""

// MinKeep is the shortest time that entries may be kept: network logs are kept for six months by law (PRC Cybersecurity Law, article 21).
const MinKeep = 183 * 24 * time.Hour

// maxEntry bounds a sealed entry in bytes: the log is read whole.
const maxEntry = 16 << 10

// Seal makes e the entry after last (the zero Entry: the first), at now, and returns with it the bytes that its hash is of, to be kept as they are.
func Seal(last, e Entry, now time.Time) (Entry, []byte, error) {
	if e.Action == "" {
		return Entry{}, nil, errors.New("an audit entry without an action")
	}
	e.Seq, e.Prev, e.At, e.Hash = last.Seq+1, last.Hash, now.UTC().Truncate(time.Millisecond), ""
	raw, err := json.Marshal(e)
	if err != nil {
		return Entry{}, nil, err
	}
	if len(raw) > maxEntry {
		return Entry{}, nil, fmt.Errorf("an audit entry of %d bytes; at most %d: shorten its reason", len(raw), maxEntry)
	}
	e.Hash = hash(raw)
	return e, raw, nil
}

// Open reads a sealed entry. It is not asked whether it is whole: see [Verify].
func Open(raw []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Entry{}, fmt.Errorf("an audit entry that cannot be read: %w", err)
	}
	e.Hash = hash(raw)
	return e, nil
}

func hash(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
