package wecom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/sim"
)

const (
	maxText      = 2048
	maxReceivers = 1000
	maxInterval  = 4 * time.Hour
)

// request is a message/send (document 90236), as far as the simulator reads it.
type request struct {
	ToUser   string
	Type     string
	Agent    string // an integer; the platform is said to take a string as well
	Text     *string
	Markdown *string
	Check    int
	Interval int64

	fields map[string]json.RawMessage // all of them, for the duplicate check
}

// decode reads a request's fields, each once.
func (q *request) decode(body []byte) error {
	q.fields = map[string]json.RawMessage{}
	into := map[string]any{"touser": &q.ToUser, "msgtype": &q.Type, "enable_duplicate_check": &q.Check, "duplicate_check_interval": &q.Interval}
	s := sim.NewScanner(body)
	err := s.Object(func(name string) error {
		begin := s.At()
		var err error
		switch name {
		case "text":
			q.Text, err = content(s)
		case "markdown":
			q.Markdown, err = content(s)
		default:
			var raw json.RawMessage
			if raw, err = s.Raw(); err == nil && into[name] != nil {
				err = json.Unmarshal(raw, into[name])
			}
		}
		q.fields[name] = bytes.TrimSpace(body[begin:s.At()])
		return err
	})
	q.Agent = strings.Trim(string(q.fields["agentid"]), `"`)
	if err == nil && !s.End() {
		err = sim.ErrJSON
	}
	return err
}

// content reads what a text or a markdown holds.
func content(s *sim.Scanner) (text *string, err error) {
	if s.Next() != '{' { // null
		_, err = s.Raw()
		return nil, err
	}
	var said string
	return &said, s.Object(func(name string) (err error) {
		if name != "content" {
			_, err = s.Raw()
			return err
		}
		said, err = s.Text()
		return err
	})
}

// repeat remembers a request for the duplicate check.
type repeat struct {
	at    time.Time
	msgID string
}

func (s *Sim) send(r *http.Request) answer {
	a, no := s.holder(r)
	if a == nil {
		return no
	}
	body, err := io.ReadAll(r.Body)
	var q request
	if err != nil || q.decode(body) != nil {
		return refusal(47001, "data format error")
	}
	text, no := q.check(a)
	if no.Code != 0 {
		return no
	}
	var valid, invalid []string
	for _, user := range q.receivers(a) {
		if len(a.users) > 0 && !a.users[user] {
			invalid = append(invalid, user)
		} else {
			valid = append(valid, user)
		}
	}
	if len(valid) == 0 {
		return refusal(81013, "user & party & tag all invalid")
	}
	ok := answer{Message: "ok", InvalidUser: strings.Join(invalid, "|"), MsgID: s.newID()}
	sent := Sent{Ref: a.Ref, At: s.opt.Now(), MsgID: ok.MsgID, Type: q.Type}
	sent.Content, sent.Truncated = cutText(text)
	if first, repeated := s.repeated(a, q, sent); repeated {
		ok.MsgID, sent.Fate = first, FateDuplicate
	}
	for _, user := range valid {
		sent.User = user
		s.ledger.send(sent, s.opt.PerMinute, s.opt.PerHour)
	}
	return ok
}

// check refuses what the platform refuses and gives the text.
func (q request) check(a *app) (text string, no answer) {
	agent, err := strconv.ParseInt(q.Agent, 10, 64)
	switch {
	case err != nil:
		return "", refusal(40056, "invalid agentid")
	case agent != a.AgentID:
		return "", refusal(301002, "not allow operate another agent with this accesstoken")
	}
	body := q.Text
	switch q.Type {
	case "text":
	case "markdown":
		body = q.Markdown
	default:
		return "", refusal(40008, "invalid message type")
	}
	switch {
	case body == nil || strings.TrimSpace(*body) == "":
		return "", refusal(44004, "content is empty")
	case q.ToUser == "" || strings.Count(q.ToUser, "|") >= maxReceivers:
		return "", refusal(40003, "invalid userid")
	}
	return *body, answer{}
}

func (q request) receivers(a *app) []string {
	if q.ToUser != "@all" {
		return strings.Split(q.ToUser, "|")
	}
	return slices.Clone(a.Users)
}

// cutText cuts as the platform does: silently.
func cutText(text string) (string, bool) {
	if len(text) <= maxText {
		return text, false
	}
	end := maxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], true
}

// repeated is the duplicate check: is this the same request as one within the interval that it names itself?
func (s *Sim) repeated(a *app, q request, sent Sent) (firstID string, repeated bool) {
	if q.Check != 1 {
		return "", false
	}
	interval := 30 * time.Minute
	if q.Interval > 0 {
		interval = min(time.Duration(q.Interval)*time.Second, maxInterval)
	}
	same := fmt.Sprintf("%d\x00%s\x00%s", a.AgentID, q.ToUser, sent.Content)
	if !s.opt.ByContent {
		var sorted strings.Builder // fields in any order are the same request
		for _, name := range slices.Sorted(maps.Keys(q.fields)) {
			sorted.WriteString(name + ":")
			sorted.Write(q.fields[name])
		}
		same = sorted.String()
	}
	key := sha256.Sum256([]byte(a.CorpID + "\x00" + same))
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.repeats[key]; ok && sent.At.Sub(first.at) < interval {
		return first.msgID, true
	}
	s.repeats[key] = repeat{at: sent.At, msgID: sent.MsgID}
	s.forget(sent.At)
	return "", false
}

// forget drops what no check can ask for any more, once in a while. The caller holds the lock.
func (s *Sim) forget(now time.Time) {
	if len(s.repeats)%10_000 != 0 {
		return
	}
	for key, r := range s.repeats {
		if now.Sub(r.at) > maxInterval {
			delete(s.repeats, key)
		}
	}
}

// invalidate answers a send as if all its receivers had left.
func invalidate(r *http.Request) answer {
	var q request
	body, _ := io.ReadAll(r.Body)
	_ = q.decode(body)
	return answer{Message: "ok", InvalidUser: strings.ToLower(q.ToUser)}
}
