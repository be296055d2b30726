package dev

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// entry is one thing that happened on a phone's way. Only the fields of its kind are set.
type entry struct {
	ID    int64     `json:"id"`
	Kind  string    `json:"kind"` // said, posted, shown
	Phone string    `json:"phone"`
	User  string    `json:"user"`
	At    time.Time `json:"at"`
	// Of is the said entry that a posted or shown one belongs to; 0: none. A reply belongs to the member's oldest message without one,
	// which is what a person would take it for.
	Of   int64  `json:"of,omitempty"`
	Text string `json:"text,omitempty"` // said: empty for opening the application
	// Took is, in milliseconds, posted: until the client's answer; shown: since the message was said.
	Took   float64 `json:"took"`
	URL    string  `json:"url,omitempty"`    // posted
	Status int     `json:"status,omitempty"` // posted; 0: no answer
	Tries  int     `json:"tries,omitempty"`  // posted
	Error  string  `json:"error,omitempty"`  // posted
	By     *By     `json:"by,omitempty"`     // shown: whose answer it is, if that is known
	// Shown, of what is rewritten: its name, the entry in whose place it stands, whether more is to come, and when its first text came.
	Card     string  `json:"-"`
	Place    int64   `json:"place,omitempty"`
	Part     bool    `json:"part,omitempty"`
	First    float64 `json:"first,omitempty"`
	Way      string  `json:"way,omitempty"`      // shown
	Markdown bool    `json:"markdown,omitempty"` // shown
}

// journalMax bounds what is kept for pages that come later.
const journalMax = 500

// journal keeps the newest entries and wakes who waits for more.
type journal struct {
	epoch   string // tells this process's ids from another's
	mu      sync.Mutex
	last    int64
	entries []entry
	waiting map[int64]bool // said, and nothing shown for it yet
	changed chan struct{}  // closed and replaced at every entry
}

func newJournal() *journal {
	return &journal{epoch: strconv.FormatInt(time.Now().UnixNano(), 36), waiting: map[int64]bool{}, changed: make(chan struct{})}
}

// add gives e its id and keeps it.
func (j *journal) add(e entry) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.ID = j.last
	switch e.Kind {
	case "said":
		j.forgetOpenings(e)
		j.waiting[e.ID] = true
	case "posted":
		if e.Error != "" {
			delete(j.waiting, e.Of)
		}
	case "shown":
		if !j.rewrite(&e) {
			j.belong(&e)
		}
	}
	j.entries = append(j.entries, e)
	if over := len(j.entries) - journalMax; over > 0 {
		for _, gone := range j.entries[:over] {
			delete(j.waiting, gone.ID)
		}
		j.entries = slices.Clone(j.entries[over:])
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return e.ID
}

// rewrite puts e in the place of the card that it replaces, which is kept no more.
func (j *journal) rewrite(e *entry) bool {
	i := slices.IndexFunc(j.entries, func(old entry) bool {
		return e.Card != "" && old.Card == e.Card && old.Phone == e.Phone && old.User == e.User
	})
	if i < 0 {
		return false
	}
	old := j.entries[i]
	e.Place, e.Of, e.First = cmp.Or(old.Place, old.ID), old.Of, old.First
	e.Took = old.Took + milliseconds(e.At.Sub(old.At))
	if e.First == 0 && e.Text != "" { // some platforms open an answer before there is any
		e.First = e.Took
	}
	j.entries = slices.Delete(j.entries, i, i+1)
	return true
}

// belong finds what e answers: the oldest said entry of its person that waits, else (a further part) the newest.
func (j *journal) belong(e *entry) {
	var said entry
	for _, have := range j.entries {
		if have.Kind != "said" || !have.same(*e) {
			continue
		}
		if said = have; j.waiting[have.ID] {
			break
		}
	}
	if said.ID == 0 {
		return
	}
	e.Of, e.Took = said.ID, milliseconds(e.At.Sub(said.At))
	if e.Card != "" && e.Text != "" {
		e.First = e.Took
	}
	delete(j.waiting, said.ID)
}

// same reports whether two entries are of one person on one phone.
func (e entry) same(o entry) bool { return e.Phone == o.Phone && e.User == o.User }

// forgetOpenings: who opens the application is welcomed once a day only; what is shown after further words answers those.
func (j *journal) forgetOpenings(said entry) {
	for _, e := range j.entries {
		if e.Kind == "said" && e.same(said) && e.Text == "" {
			delete(j.waiting, e.ID)
		}
	}
}

// after returns the entries above id, and a channel that is closed when there are more.
func (j *journal) after(id int64) ([]entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i, _ := slices.BinarySearchFunc(j.entries, id+1, func(e entry, id int64) int { return int(e.ID - id) })
	return slices.Clone(j.entries[i:]), j.changed
}

// place reads an event's id, "<epoch>.<number>"; 0 for another process's, as after a restart.
func (j *journal) place(id string) int64 {
	epoch, number, _ := strings.Cut(id, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || epoch != j.epoch {
		return 0
	}
	return n
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
