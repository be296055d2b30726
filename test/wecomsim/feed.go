package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"parley/internal/sim/wecom"
)

// patience is how long a reader of the feed waits for something new.
const patience = 2 * time.Second

// feed is everything that people were shown, in order. It is safe for concurrent use.
type feed struct {
	mu      sync.Mutex
	shown   []wecom.Sent
	changed chan struct{} // closed at the next one
}

func newFeed() *feed { return &feed{changed: make(chan struct{})} }

// add is the platform's OnShown.
func (f *feed) add(s wecom.Sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = append(f.shown, s)
	close(f.changed)
	f.changed = make(chan struct{})
}

// ServeHTTP answers ?from=N with all from the N-th (from 0) on, as a JSON list; where there is none yet, it waits a moment for it.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.Atoi(r.URL.Query().Get("from"))
	if err != nil || from < 0 {
		http.Error(w, "from: must be a number from 0 on", http.StatusBadRequest)
		return
	}
	list, changed := f.since(from)
	if len(list) == 0 {
		select {
		case <-changed:
			list, _ = f.since(from)
		case <-time.After(patience):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // who hung up asks again
}

func (f *feed) since(from int) ([]wecom.Sent, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []wecom.Sent{}
	if from < len(f.shown) {
		list = slices.Clone(f.shown[from:])
	}
	return list, f.changed
}
