package dingtalk

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"
)

// Fault changes how a path answers. Faults of one path are used up in the order they came.
type Fault struct {
	API    string // a path: /v1.0/card/streaming, /robot/sendBySession, /files/
	Times  int    // how many calls; 0: one; below 0: all
	Status int    // in place of 200
	Body   string // in place of the true answer
	Delay  time.Duration
	Lose   bool // do what was asked and cut the connection in place of an answer
	Hang   bool // do what was asked and never answer
	// Redirect answers 307 to this address.
	Redirect string
}

// Inject adds a fault.
func (s *Sim) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Sim) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Calls counts the calls of each path, refused ones included.
func (s *Sim) Calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func (s *Sim) fault(path string) (f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[path]++
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.API == path })
	if i < 0 {
		return Fault{}
	}
	f = *s.faults[i]
	if s.faults[i].Times--; s.faults[i].Times == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return f
}

// api wraps a call with the faults.
func (s *Sim) api(do func(*http.Request, []byte) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.fault(r.URL.Path)
		body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // only then does the server notice a caller that hangs up
		if f.Delay > 0 {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case f.Redirect != "":
			http.Redirect(w, r, f.Redirect, http.StatusTemporaryRedirect)
		case f.Status != 0 || f.Body != "":
			w.WriteHeader(max(f.Status, http.StatusOK))
			_, _ = io.WriteString(w, f.Body)
		case f.Lose:
			do(r, body)
			panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
		case f.Hang:
			do(r, body)
			<-r.Context().Done()
		default:
			status, out := do(r, body)
			w.Header().Set("Content-Type", "application/json;charset=utf-8")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(out) // who hung up does not want it
		}
	}
}
