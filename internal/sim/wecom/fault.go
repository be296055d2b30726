package wecom

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"
)

// Fault changes how an API answers. Faults of one API are used up in the order they came.
type Fault struct {
	API     string `json:"api"`   // the path below /cgi-bin/: gettoken, message/send, media/get, …
	Times   int    `json:"times"` // how many calls; 0: one; below 0: all
	Code    int64  `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Status  int    `json:"status,omitempty"` // an HTTP status in place of 200
	Body    string `json:"body,omitempty"`   // an answer in place of the true one
	// InvalidUser answers errcode 0 and the receiver under invaliduser: nobody was shown anything.
	InvalidUser bool          `json:"invalid_user,omitempty"`
	Delay       time.Duration `json:"delay,omitempty"` // nanoseconds, before anything else
	// Lose does what was asked and cuts the connection in place of an answer.
	Lose bool `json:"lose,omitempty"`
	// Hang does what was asked and never answers; the connection stays open until the caller ends it.
	Hang bool `json:"hang,omitempty"`
	// Drip answers a byte each so many nanoseconds.
	Drip     time.Duration `json:"drip,omitempty"`
	Redirect string        `json:"redirect,omitempty"`
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

// fault counts a call and takes the fault that it meets.
func (s *Sim) fault(api string) (f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[api]++
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.API == api })
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
func (s *Sim) api(name string, do func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.fault(name)
		// Only once the body is read does the server notice a caller that hangs up.
		body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		r.Body = io.NopCloser(bytes.NewReader(body))
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
			_, _ = w.Write([]byte(f.Body))
		case f.Code != 0:
			reply(w, refusal(f.Code, f.Message))
		case f.InvalidUser:
			reply(w, invalidate(r))
		case f.Lose:
			do(r)
			panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
		case f.Hang:
			do(r)
			<-r.Context().Done()
		case f.Drip > 0:
			drip(w, r, do(r), f.Drip)
		default:
			reply(w, do(r))
		}
	}
}

// drip answers byte by byte until the caller goes away.
func drip(w http.ResponseWriter, r *http.Request, a any, each time.Duration) {
	body, _ := json.Marshal(a) // numbers and texts alone
	for _, b := range body {
		_, _ = w.Write([]byte{b})
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(each):
		case <-r.Context().Done():
			return
		}
	}
}

func reply(w http.ResponseWriter, v any) {
	if f, ok := v.(file); ok {
		w.Header().Set("Content-Type", f.Type)
		_, _ = w.Write(f.Data)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(v) // who hung up does not want it
}
