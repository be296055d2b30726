package feishu

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"
)

// answer is what an API says.
type answer struct {
	status  int
	code    int64
	message string
	data    any // under data; a map with fields beside the code, if flat
	flat    bool
	file    []byte // in place of JSON
}

func ok(data any) answer { return answer{data: data} }

func refuse(code int64, message string) answer {
	return answer{status: http.StatusBadRequest, code: code, message: message}
}

func invalid(what string) answer { return refuse(99992402, "field validation failed: "+what) }

// Fault changes how an API answers. Faults of one API are used up in the order they came.
type Fault struct {
	API     string // token, bot, scopes, send, reply, message, resource, card, update, settings, content, finish, endpoint
	Times   int    // how many calls; 0: one; below 0: all
	Code    int64
	Message string
	Status  int           // an HTTP status in place of the true one
	Body    string        // an answer in place of the true one
	Delay   time.Duration // before anything else
	Lose    bool          // does what was asked and cuts the connection in place of an answer
	Hang    bool          // does what was asked and never answers
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

// open serves a call that needs no token.
func (s *Sim) open(name string, do func(*http.Request) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Only once the body is read does the server notice a caller that hangs up.
		body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		r.Body = io.NopCloser(bytes.NewReader(body))
		f := s.fault(name)
		if f.Delay > 0 {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case f.Status != 0 || f.Body != "":
			w.WriteHeader(max(f.Status, http.StatusOK))
			_, _ = w.Write([]byte(f.Body))
		case f.Code != 0:
			refuse(f.Code, f.Message).write(w)
		case f.Lose:
			do(r)
			panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
		case f.Hang:
			do(r)
			<-r.Context().Done()
		default:
			do(r).write(w)
		}
	}
}

// api serves a call of an application: with its token, a scope, and within the limits.
func (s *Sim) api(name, scope string, do func(*app, *http.Request) answer) http.HandlerFunc {
	return s.open(name, func(r *http.Request) answer {
		a, no := s.holder(r)
		if a == nil {
			return no
		}
		if scope != "" && !slices.Contains(a.Scopes, scope) {
			return refuse(99991672, "Access denied. One of the following scopes is required: ["+scope+"]. 应用尚未开通所需的应用身份权限：["+scope+"]")
		}
		s.mu.Lock()
		limited := s.over(a.AppID+"/s/"+name, s.opt.PerSecond, time.Second) || s.over(a.AppID+"/m/"+name, s.opt.PerMinute, time.Minute)
		s.mu.Unlock()
		if limited {
			return limit()
		}
		return do(a, r)
	})
}

func limit() answer {
	return answer{status: http.StatusTooManyRequests, code: 99991400, message: "request trigger frequency limit"}
}

func (a answer) write(w http.ResponseWriter) {
	if a.file != nil {
		w.Header().Set("Content-Type", http.DetectContentType(a.file))
		_, _ = w.Write(a.file)
		return
	}
	fields := map[string]any{"code": a.code, "msg": a.message}
	if a.code == 0 {
		fields["msg"] = "success"
		if more, isMap := a.data.(map[string]any); a.flat && isMap {
			for name, value := range more {
				fields[name] = value
			}
		} else {
			fields["data"] = a.data
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if a.status == http.StatusTooManyRequests {
		w.Header().Set("X-Ogw-Ratelimit-Limit", "50")
		w.Header().Set("X-Ogw-Ratelimit-Reset", "1")
	}
	w.WriteHeader(max(a.status, http.StatusOK))
	_ = json.NewEncoder(w).Encode(fields) // who hung up does not want it
}

// take decodes a request's JSON. Feishu's own SDKs do not always say that it is that.
func take(r *http.Request, into any) (no answer, taken bool) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return invalid(err.Error()), false
	}
	return answer{}, true
}
