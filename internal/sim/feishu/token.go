package feishu

import (
	"net/http"
	"strings"
	"time"
)

// token is a tenant_access_token.
type token struct {
	app     string
	value   string
	expires time.Time
	revoked bool
}

// getToken hands out an application's token: the same one until its last half hour (document "tenant_access_token of a custom app").
func (s *Sim) getToken(r *http.Request) answer {
	var in struct {
		ID     string `json:"app_id"`
		Secret string `json:"app_secret"`
	}
	if no, taken := take(r, &in); !taken {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[in.ID]
	switch {
	case a == nil:
		return answer{code: 10003, message: "invalid app_id"}
	case a.AppSecret != in.Secret:
		return answer{code: 10014, message: "app secret invalid"}
	}
	now := s.opt.Now()
	if a.current == nil || a.current.revoked || a.current.expires.Sub(now) < s.opt.TokenLife/4 {
		a.current = &token{app: in.ID, value: s.id("t-"), expires: now.Add(s.opt.TokenLife)}
		s.tokens[a.current.value] = a.current
	}
	left := int64(a.current.expires.Sub(now).Seconds())
	return answer{flat: true, data: map[string]any{"tenant_access_token": a.current.value, "expire": left}}
}

// Revoke makes an application's token invalid before its time.
func (s *Sim) Revoke(appID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[appID]; a != nil && a.current != nil {
		a.current.revoked = true
	}
}

// holder is the application whose token a request bears.
func (s *Sim) holder(r *http.Request) (*app, answer) {
	value, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || value == "" {
		return nil, refuse(99991661, "Missing access token for authorization. Please make a test attempt.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t == nil || t.revoked || !s.opt.Now().Before(t.expires) {
		return nil, refuse(99991663, "Invalid access token for authorization. Please make a test attempt.")
	}
	return s.apps[t.app], answer{}
}

func (s *Sim) getBot(a *app, _ *http.Request) answer {
	status := 2
	if a.Stopped {
		status = 1
	}
	return answer{flat: true, data: map[string]any{"bot": map[string]any{
		"activate_status": status, "app_name": a.BotName, "avatar_url": "", "ip_white_list": []string{}, "open_id": a.BotID,
	}}}
}

func (s *Sim) getScopes(a *app, _ *http.Request) answer {
	list := []map[string]any{}
	for _, name := range a.Scopes {
		list = append(list, map[string]any{"scope_name": name, "grant_status": 1, "scope_type": "tenant"})
	}
	list = append(list, map[string]any{"scope_name": "contact:contact", "grant_status": 2, "scope_type": "tenant"})
	return ok(map[string]any{"scopes": list})
}
