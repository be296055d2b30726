package console

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"parley/internal/audit"
)

// who is what a page is told of its session.
type who struct {
	SignedIn bool   `json:"signed_in"`
	Invites  bool   `json:"invites"` // a login is also possible by a link that is printed where the console runs
	Name     string `json:"name,omitempty"`
	Role     string `json:"role,omitempty"`
	Token    string `json:"token,omitempty"` // for the header of what changes something
	Look     bool   `json:"look"`            // texts may be read
	ReadOnly bool   `json:"read_only"`
	Drains   bool   `json:"drains"` // the registry has weights
	Version  string `json:"version,omitempty"`
}

func (c *Console) who(s *session) who {
	w := who{Invites: c.opt.Invited != nil}
	if s != nil {
		w = who{true, w.Invites, s.name, s.role.String(), s.csrf, c.opt.Look && s.role >= Admin, c.opt.ReadOnly, c.opt.Desk.Drains(), c.opt.Env.Version}
	}
	return w
}

func (c *Console) serveSession(q *call) (any, error) { return c.who(q.session), nil }

func (c *Console) serveLogout(q *call) (any, error) {
	c.sessions.end(q.session.id)
	c.give(q.w, nil)
	return c.who(nil), nil
}

// Invite makes a word with which somebody can log in once, as an admin; the one before it ends.
func (c *Console) Invite() string {
	word := random()
	c.invite.Store(&word)
	return word
}

func (c *Console) serveLogin(q *call) (any, error) {
	in, err := take[struct{ Name, Password, Invitation string }](q)
	if err != nil {
		return nil, err
	}
	if len(in.Password) > maxPassword {
		return nil, invalid("password: at most %d bytes", maxPassword)
	}
	now, address := c.opt.Now(), c.from(q.Request)
	keys := []string{"name " + strings.ToLower(in.Name[:min(len(in.Name), 100)]), "address " + address}
	if in.Invitation != "" {
		keys = keys[1:]
	}
	if ok, burst := c.limits.take(now, keys...); !ok {
		c.logins.WithLabelValues("limited").Inc()
		if burst {
			c.tellOfBurst(q.Context(), in.Name, address)
		}
		q.w.Header().Set("Retry-After", "60")
		return nil, refusal{http.StatusTooManyRequests, "rate_limited", "too many logins failed: wait for a minute"}
	}
	user, ok, err := c.verify(q.Context(), in.Name, in.Password, in.Invitation)
	if err != nil {
		return nil, err
	}
	if !ok {
		c.logins.WithLabelValues("refused").Inc()
		return nil, refusal{http.StatusUnauthorized, "unauthenticated", "this name and password do not fit together"}
	}
	c.limits.back(keys...)
	c.logins.WithLabelValues("ok").Inc()
	if q.session != nil {
		c.sessions.end(q.session.id)
	}
	s := c.sessions.open(user.Name, user.Role, now)
	c.give(q.w, s)
	// A console must open also when the log cannot be written: it shows why.
	c.note(q.Context(), user.Name, audit.Entry{Action: "login", Details: map[string]string{"address": address, "role": user.Role.String()}})
	return c.who(s), nil
}

func (c *Console) verify(ctx context.Context, name, password, invitation string) (User, bool, error) {
	if invitation == "" {
		return c.hashes.verify(ctx, name, password)
	}
	word := c.invite.Load()
	if word == nil || subtle.ConstantTimeCompare([]byte(*word), []byte(invitation)) != 1 || !c.invite.CompareAndSwap(word, nil) {
		return User{}, false, nil
	}
	if c.opt.Invited != nil {
		c.opt.Invited(c.Invite())
	}
	return User{Name: "local", Role: Admin}, true, nil
}

// tellOfBurst enters once a minute that logins are refused. A name that no user has may be a password in the wrong field.
func (c *Console) tellOfBurst(ctx context.Context, name, address string) {
	if _, known := c.hashes.byName[strings.ToLower(name)]; !known {
		name = "(unknown)"
	}
	c.opt.Log.Warn("logins at the console are refused: too many failed", "name", name, "address", address)
	c.note(ctx, name, audit.Entry{Action: "login_refused", Details: map[string]string{"address": address}})
}

// note enters what is no change, as far as the log can be written.
func (c *Console) note(ctx context.Context, by string, e audit.Entry) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.opt.Desk.Record(ctx, c.env(by), e); err != nil {
		c.opt.Log.Warn("the audit log cannot be written", "action", e.Action, "err", err)
	}
}
