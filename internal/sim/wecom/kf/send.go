package kf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"parley/internal/sim/wecom"
)

const maxText = 2048

var msgID = regexp.MustCompile(`^[0-9a-zA-Z_-]{0,32}$`)

// code is a right to answer one event, once.
type code struct {
	account *account
	user    string
	until   time.Time
	used    bool
}

// Sent is one message that a customer was shown.
type Sent struct {
	OpenKFID string
	User     string
	At       time.Time
	MsgID    string
	Content  string
	Welcome  bool // in answer to the customer's entering
}

// Stats are counts since the start.
type Stats struct {
	Posted     int
	Shown      int
	Duplicates int // msgids that came again: not shown
	Syncs      int
	Refused    map[int64]int // by errcode, the customer service's own calls alone
}

// outgoing is what send_msg and send_msg_on_event take, as far as the simulator reads it.
type outgoing struct {
	ToUser   string `json:"touser"`
	OpenKFID string `json:"open_kfid"`
	Code     string `json:"code"`
	MsgID    string `json:"msgid"`
	Type     string `json:"msgtype"`
	Text     struct {
		Content string `json:"content"`
	} `json:"text"`
}

// fault is what both calls refuse. The caller holds the lock.
func (s *Sim) fault(q outgoing) any {
	switch {
	case !msgID.MatchString(q.MsgID):
		return s.refuse(40058, "invalid msgid")
	case q.Type != "text":
		return s.refuse(40008, "invalid message type")
	case strings.TrimSpace(q.Text.Content) == "":
		return s.refuse(44004, "content is empty")
	case len(q.Text.Content) > maxText:
		return s.refuse(45002, "content size out of limit")
	}
	return nil
}

func (s *Sim) sendMsg(ref wecom.Ref, r *http.Request) any {
	var q outgoing
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		return s.refuse(47001, "data format error")
	}
	a, no := s.of(ref, q.OpenKFID)
	if a == nil {
		return no
	}
	if no := s.fault(q); no != nil {
		return no
	}
	c, known := a.people[q.ToUser]
	if !known {
		return s.refuse(40003, "invalid external_userid")
	}
	// ASSUMPTION: a msgid that was sent is answered as if it were sent now, and shown once.
	if q.MsgID != "" && s.sent[q.MsgID] {
		s.stats.Duplicates++
		return sentAnswer(q.MsgID)
	}
	now := s.opt.Now()
	switch {
	case c.state != StateNew && c.state != StateRobot:
		return s.refuse(95018, "send msg session status invalid")
	case c.spoke.IsZero() || now.Sub(c.spoke) > s.opt.Window:
		return s.refuse(95002, "send msg time out of limit")
	case c.used >= s.opt.Quota:
		return s.refuse(95001, "send msg count out of limit")
	}
	c.used++
	return s.show(c, Sent{OpenKFID: q.OpenKFID, User: q.ToUser, MsgID: q.MsgID, Content: q.Text.Content})
}

// sendOnEvent answers an event, once and soon (document 95122).
func (s *Sim) sendOnEvent(ref wecom.Ref, r *http.Request) any {
	var q outgoing
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		return s.refuse(47001, "data format error")
	}
	if no := s.fault(q); no != nil {
		return no
	}
	k := s.codes[q.Code]
	if k == nil || k.account.Ref != ref || k.used || s.opt.Now().After(k.until) {
		return s.refuse(40058, "invalid code")
	}
	k.used = true
	c := k.account.customer(k.user)
	c.greets = s.opt.Now()
	return s.show(c, Sent{OpenKFID: k.account.OpenKFID, User: k.user, MsgID: q.MsgID, Content: q.Text.Content, Welcome: true})
}

// show puts a message on a customer's screen. The caller holds the lock.
func (s *Sim) show(c *customer, m Sent) any {
	if m.MsgID == "" {
		m.MsgID = s.id("sent_")
	}
	m.At, s.sent[m.MsgID] = s.opt.Now(), true
	c.shown = append(c.shown, m)
	s.stats.Shown++
	if s.opt.OnShown != nil {
		s.opt.OnShown(m)
	}
	close(c.woken)
	c.woken = make(chan struct{})
	return sentAnswer(m.MsgID)
}

func sentAnswer(id string) any { return map[string]any{"errcode": 0, "errmsg": "ok", "msgid": id} }

func (s *Sim) stateGet(ref wecom.Ref, r *http.Request) any {
	return s.session(ref, r, func(c *customer, _ int) any {
		return map[string]any{"errcode": 0, "errmsg": "ok", "service_state": c.state}
	})
}

// stateTrans moves a session to where it may go from where it is.
func (s *Sim) stateTrans(ref wecom.Ref, r *http.Request) any {
	return s.session(ref, r, func(c *customer, to int) any {
		if to < StateRobot || to > StateEnded || c.state == StateEnded || to < c.state {
			return s.refuse(95016, "not allow to change the session status so")
		}
		c.state = to
		return map[string]any{"errcode": 0, "errmsg": "ok"}
	})
}

func (s *Sim) session(ref wecom.Ref, r *http.Request, do func(c *customer, to int) any) any {
	var q struct {
		OpenKFID string `json:"open_kfid"`
		User     string `json:"external_userid"`
		State    int    `json:"service_state"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		return s.refuse(47001, "data format error")
	}
	a, no := s.of(ref, q.OpenKFID)
	if a == nil {
		return no
	}
	c, known := a.people[q.User]
	if !known {
		return s.refuse(40003, "invalid external_userid")
	}
	return do(c, q.State)
}

// Shown lists what a customer was shown by an account, in order.
func (s *Sim) Shown(openKFID, user string) []Sent {
	shown, _ := s.seen(openKFID, user)
	return shown
}

func (s *Sim) seen(openKFID, user string) ([]Sent, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[openKFID]
	if a == nil {
		return nil, nil
	}
	c := a.customer(user)
	return slices.Clone(c.shown), c.woken
}

// Await blocks until a customer was shown n messages in all, and returns them.
func (s *Sim) Await(ctx context.Context, openKFID, user string, n int) ([]Sent, error) {
	for {
		shown, woken := s.seen(openKFID, user)
		if len(shown) >= n {
			return shown, nil
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return shown, fmt.Errorf("%s was shown %d of %d messages: %w", user, len(shown), n, ctx.Err())
		}
	}
}

// Stats returns the counts.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Refused = make(map[int64]int)
	for code, n := range s.stats.Refused {
		stats.Refused[code] = n
	}
	return stats
}
