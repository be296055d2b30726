package kf

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"parley/internal/sim/wecom"
)

const (
	maxCursor = 64
	maxLimit  = 1000
)

type syncAnswer struct {
	Code     int64     `json:"errcode"`
	Message  string    `json:"errmsg"`
	Next     string    `json:"next_cursor"`
	HasMore  int       `json:"has_more"`
	Messages []message `json:"msg_list"`
}

// syncMsg hands out an account's messages from a cursor on. Without one it begins three days ago.
func (s *Sim) syncMsg(ref wecom.Ref, r *http.Request) any {
	var q struct {
		Cursor   string `json:"cursor"`
		Token    string `json:"token"`
		Limit    int    `json:"limit"`
		OpenKFID string `json:"open_kfid"`
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
	now := s.opt.Now()
	switch t, known := s.tokens[q.Token]; {
	case q.Token != "" && (!known || t.openKFID != q.OpenKFID || now.After(t.until)):
		return s.refuse(95007, "invalid msg token")
	case q.Token == "" && s.strict(now):
		return s.refuse(45009, "api freq out of limit")
	case len(q.Cursor) > maxCursor, q.Limit < 0, q.Limit > maxLimit:
		return s.refuse(40058, "invalid parameter")
	}
	from, ok := s.from(a, q.Cursor, now)
	if !ok {
		return s.refuse(40058, "invalid cursor")
	}
	s.stats.Syncs++
	ans := syncAnswer{Message: "ok", Messages: []message{}}
	to := min(len(a.messages), from+min(pageOf(q.Limit), s.opt.Page))
	if s.empty = s.opt.EmptyPages && !s.empty && to > from; s.empty {
		to = from
	}
	ans.Messages = append(ans.Messages, a.messages[from:to]...)
	ans.Next = s.cursor(to)
	if to < len(a.messages) {
		ans.HasMore = 1
	}
	return ans
}

func pageOf(limit int) int {
	if limit == 0 {
		return maxLimit
	}
	return limit
}

// strict counts a call without a token and says whether it is one too many. The caller holds the lock.
func (s *Sim) strict(now time.Time) bool {
	for len(s.tokenless) > 0 && now.Sub(s.tokenless[0]) > time.Minute {
		s.tokenless = s.tokenless[1:]
	}
	if len(s.tokenless) >= s.opt.Tokenless {
		return true
	}
	s.tokenless = append(s.tokenless, now)
	return false
}

func (s *Sim) cursor(at int) string { return fmt.Sprintf("c%d_%d", s.epoch, at) }

// from is where a cursor stands. The caller holds the lock.
func (s *Sim) from(a *account, cursor string, now time.Time) (at int, ok bool) {
	oldest := 0
	for oldest < len(a.messages) && now.Sub(time.Unix(a.messages[oldest].SentAt, 0)) > s.opt.Keep {
		oldest++
	}
	if cursor == "" {
		return oldest, true
	}
	var epoch int
	if _, err := fmt.Sscanf(cursor, "c%d_%d", &epoch, &at); err != nil || epoch != s.epoch || at < 0 || at > len(a.messages) {
		return 0, false
	}
	return max(at, oldest), true
}

// accountList lists the accounts that an application sees, by offset and limit.
func (s *Sim) accountList(ref wecom.Ref, r *http.Request) any {
	type entry struct {
		OpenKFID string `json:"open_kfid"`
		Name     string `json:"name"`
		Avatar   string `json:"avatar"`
		Manage   bool   `json:"manage_privilege"`
	}
	q := struct{ Offset, Limit int }{Limit: 100}
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.NewDecoder(r.Body).Decode(&q) != nil || q.Offset < 0 || q.Limit < 1 || q.Limit > 100 {
		return s.refuse(40058, "invalid parameter")
	}
	list := []entry{}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if a := s.accounts[id]; a.Ref == ref {
			list = append(list, entry{id, a.Name, "https://example.com/avatar.png", !a.Unmanaged})
		}
	}
	from := min(q.Offset, len(list))
	return map[string]any{"errcode": 0, "errmsg": "ok", "account_list": list[from:min(len(list), from+q.Limit)]}
}
