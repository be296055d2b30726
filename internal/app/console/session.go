package console

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"time"
)

// cookieName holds a session's id.
const cookieName = "parley_console"

// maxSessions bounds the logins that are kept at once; beyond it the oldest ends.
const maxSessions = 1000

// session is one login. Its fields but seen do not change.
type session struct {
	id, csrf string
	name     string
	role     Role
	began    time.Time
	seen     time.Time // guarded by sessions.mu
}

// sessions are the logins, in memory alone.
type sessions struct {
	idle, most time.Duration
	mu         sync.Mutex
	byID       map[string]*session
}

func newSessions(idle, most time.Duration) *sessions {
	return &sessions{idle: idle, most: most, byID: map[string]*session{}}
}

// random is 256 bits that nobody guesses.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// open begins a session.
func (s *sessions) open(name string, role Role, now time.Time) *session {
	one := &session{id: random(), csrf: random(), name: name, role: role, began: now, seen: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.byID[one.id] = one
	return one
}

// sweep forgets what is over, and the one that was not seen for longest if there are too many.
func (s *sessions) sweep(now time.Time) {
	var oldest *session
	for id, one := range s.byID {
		if s.over(one, now) {
			delete(s.byID, id)
		} else if oldest == nil || one.seen.Before(oldest.seen) {
			oldest = one
		}
	}
	if len(s.byID) >= maxSessions {
		delete(s.byID, oldest.id)
	}
}

func (s *sessions) over(one *session, now time.Time) bool {
	return now.Sub(one.seen) > s.idle || now.Sub(one.began) > s.most
}

// find gives a session that is not over, and starts its idle time anew; nil: there is none.
func (s *sessions) find(id string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[id]
	switch {
	case one == nil:
		return nil
	case s.over(one, now):
		delete(s.byID, id)
		return nil
	}
	one.seen = now
	return one
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// session is who asks; nil: nobody who logged in.
func (c *Console) session(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	return c.sessions.find(cookie.Value, c.opt.Now())
}

// give sets a session's cookie; nil takes it away.
func (c *Console) give(w http.ResponseWriter, s *session) {
	cookie := &http.Cookie{Name: cookieName, Path: c.opt.Base + "/", HttpOnly: true, Secure: c.opt.Secure, SameSite: http.SameSiteStrictMode, MaxAge: -1}
	if s != nil {
		cookie.Value, cookie.MaxAge = s.id, 0
	}
	http.SetCookie(w, cookie)
}
