package dingtalk

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

type token struct {
	key     string
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

// refusal is what the API says with a status that is not 200.
type refusal struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"requestid"`
}

func refuse(status int, code, message string) (int, any) {
	return status, refusal{code, message, rand.Text()}
}

func (s *Sim) accessToken(_ *http.Request, body []byte) (int, any) {
	var q struct {
		Key    string `json:"appKey"`
		Secret string `json:"appSecret"`
	}
	_ = json.Unmarshal(body, &q) // what is missing is wrong
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[q.Key]
	if a == nil || a.Secret != q.Secret {
		return refuse(http.StatusBadRequest, "invalidClientIdOrSecret", "无效的clientId或者clientSecret")
	}
	now := s.opt.Now()
	if a.current == nil || !now.Before(a.current.expires) {
		a.current = &token{key: a.Key, value: rand.Text() + rand.Text(), expires: now.Add(s.opt.TokenLife)}
		s.tokens[a.current.value] = a.current
	}
	return http.StatusOK, struct {
		Token string `json:"accessToken"`
		Life  int64  `json:"expireIn"`
	}{a.current.value, max(1, int64(a.current.expires.Sub(now)/time.Second))}
}

// Revoke ends an application's token before its time, as the platform may.
func (s *Sim) Revoke(key string) error {
	a, err := s.app(key)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.revoke()
	return nil
}

// holder wraps a call of the API that needs a token: whose it is, whether the application may, and whether it called too often.
func (s *Sim) holder(do func(*app, []byte) (int, any)) func(*http.Request, []byte) (int, any) {
	return func(r *http.Request, body []byte) (int, any) {
		s.mu.Lock()
		t := s.tokens[r.Header.Get("x-acs-dingtalk-access-token")]
		if t == nil || t.revoked { // both statuses have been seen
			s.mu.Unlock()
			return refuse(http.StatusBadRequest, "InvalidAuthentication", "不合法的access_token")
		}
		a, now := s.apps[t.key], s.opt.Now()
		over := s.over(a.Key+r.URL.Path, now)
		s.mu.Unlock()
		switch {
		case !now.Before(t.expires):
			return refuse(http.StatusUnauthorized, "InvalidAuthentication", "access_token已过期")
		case over:
			return refuse(http.StatusForbidden, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "应用调用该接口的qps超过限制，请稍后再试")
		case slices.Contains(a.Denied, r.URL.Path):
			return refuse(http.StatusForbidden, "Forbidden.AccessDenied.AccessTokenPermissionDenied", "应用尚未开通所需的权限：["+r.URL.Path+"]")
		}
		return do(a, body)
	}
}

// over counts a call and reports whether it is one too many within a second. The caller holds the lock.
func (s *Sim) over(what string, now time.Time) bool {
	recent := slices.DeleteFunc(s.recent[what], func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if s.opt.QPS > 0 && len(recent) >= s.opt.QPS {
		s.recent[what] = recent
		s.ledger.limited()
		return true
	}
	s.recent[what] = append(recent, now)
	return false
}
