package wecom

import (
	"crypto/rand"
	"net/http"
	"time"
)

// token is an access token that was handed out.
type token struct {
	ref     Ref
	value   string
	expires time.Time
	revoked bool
}

func (a *app) revoke() {
	if a.current != nil {
		a.current.revoked = true
		a.current = nil
	}
}

// answer is what the API says; zero fields are left out as the platform does.
type answer struct {
	Code        int64  `json:"errcode"`
	Message     string `json:"errmsg"`
	AccessToken string `json:"access_token,omitempty"`
	ExpiresIn   int64  `json:"expires_in,omitempty"`
	InvalidUser string `json:"invaliduser,omitempty"`
	MsgID       string `json:"msgid,omitempty"`
}

func refusal(code int64, message string) answer { return answer{Code: code, Message: message} }

// getToken gives an application's token: the same one while it is valid (document 91039).
func (s *Sim) getToken(r *http.Request) answer {
	q := r.URL.Query()
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a, corp := s.bySecret(q.Get("corpid"), q.Get("corpsecret"))
	switch {
	case !corp:
		return refusal(40013, "invalid corpid")
	case a == nil:
		return refusal(40001, "invalid credential")
	}
	if a.current == nil || !now.Before(a.current.expires) {
		a.current = &token{ref: a.Ref, value: rand.Text() + rand.Text(), expires: now.Add(s.opt.TokenLife)}
		s.tokens[a.current.value] = a.current
	}
	left := int64(a.current.expires.Sub(now) / time.Second)
	return answer{Message: "ok", AccessToken: a.current.value, ExpiresIn: max(left, 1)}
}

// bySecret finds the application that a secret belongs to, and whether the corp exists at all.
func (s *Sim) bySecret(corpID, secret string) (found *app, corp bool) {
	for _, a := range s.apps {
		if a.CorpID != corpID {
			continue
		}
		corp = true
		if a.Secret == secret {
			return a, true
		}
	}
	return nil, corp
}

// Revoke ends an application's token before its time, as the platform may.
func (s *Sim) Revoke(ref Ref) error {
	a, err := s.app(ref)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.revoke()
	return nil
}

// holder finds the application that a request's token speaks for.
func (s *Sim) holder(r *http.Request) (*app, answer) {
	value := r.URL.Query().Get("access_token")
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	switch {
	case value == "":
		return nil, refusal(41001, "access_token missing")
	case t == nil, t.revoked:
		return nil, refusal(40014, "invalid access_token")
	case !s.opt.Now().Before(t.expires):
		return nil, refusal(42001, "access_token expired")
	}
	return s.apps[t.ref], answer{}
}
