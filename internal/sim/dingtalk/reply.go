package dingtalk

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxHookBody = 20_000
	maxParam    = 15_000
	maxPeople   = 20
	floodTime   = 10 * time.Minute
)

// verdict is what a sessionWebhook says, always with status 200.
type verdict struct {
	Code    int64  `json:"errcode"`
	Message string `json:"errmsg"`
}

// hookBody is what a sessionWebhook takes.
type hookBody struct {
	Type string `json:"msgtype"`
	Text *struct {
		Content string `json:"content"`
	} `json:"text"`
	Markdown *struct {
		Title string `json:"title"`
		Text  string `json:"text"`
	} `json:"markdown"`
	At struct {
		Users     []string `json:"atUserIds"`
		Strangers []string `json:"atDingtalkIds"`
		All       bool     `json:"isAtAll"`
	} `json:"at"`
}

func (s *Sim) sendBySession(r *http.Request, body []byte) (int, any) {
	no := func(code int64, message string) (int, any) { return http.StatusOK, verdict{code, message} }
	var q hookBody
	if json.Unmarshal(body, &q) != nil {
		return no(43004, "需要POST JSON")
	}
	if len(body) > maxHookBody {
		return no(460101, "message too long, exceed 20000 bytes")
	}
	shown := Shown{Way: WayWebhook, Type: q.Type, At: s.opt.Now()}
	switch {
	case q.Type == "text" && q.Text != nil && strings.TrimSpace(q.Text.Content) != "":
		shown.Content = q.Text.Content
	case q.Type == "markdown" && q.Markdown != nil && q.Markdown.Title != "" && strings.TrimSpace(q.Markdown.Text) != "":
		shown.Title, shown.Content = q.Markdown.Title, q.Markdown.Text
	case q.Type == "text" || q.Type == "markdown":
		return no(40035, "不合法的参数")
	default:
		return no(400105, "unsupported msgtype")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sessions[r.URL.Query().Get("session")]
	switch now := s.opt.Now(); {
	case one == nil || !now.Before(one.expires):
		return no(300001, "session 不存在")
	case now.Before(one.blocked):
		return no(130101, "send too fast, exceed 20 times per minute")
	case s.opt.PerMinute > 0 && s.ledger.recent(one.app, one.chat, now.Add(-time.Minute)) >= s.opt.PerMinute:
		one.blocked = now.Add(floodTime)
		s.ledger.limited()
		return no(130101, "send too fast, exceed 20 times per minute")
	}
	for _, id := range append(q.At.Users, q.At.Strangers...) {
		// A text shows a mention where it names the id; a stranger's is put before it.
		if strings.Contains(shown.Content, "@"+id) || slices.Contains(q.At.Strangers, id) {
			shown.Mentions = append(shown.Mentions, id)
		}
	}
	if q.At.All {
		shown.Mentions = append(shown.Mentions, "@all")
	}
	shown.App, shown.Chat = one.app, one.chat
	s.ledger.show(shown)
	return no(0, "ok")
}

// robotMessage is what the robot's API takes.
type robotMessage struct {
	Robot string   `json:"robotCode"`
	Users []string `json:"userIds"`
	Group string   `json:"openConversationId"`
	Key   string   `json:"msgKey"`
	Param string   `json:"msgParam"`
}

// read judges a message of the API; no holds the refusal.
func (q *robotMessage) read(a *app, body []byte) (shown Shown, code, why string) {
	var param struct{ Content, Title, Text string }
	switch {
	case json.Unmarshal(body, q) != nil:
		return shown, "invalidParameter.body", "请求体不合法"
	case q.Robot != a.Robot:
		return shown, "robot.notExist", "robot 不存在"
	case len(q.Param) > maxParam:
		return shown, "invalidParameter.msgParam.tooLong", "msgParam 长度超过 15000 字节"
	case json.Unmarshal([]byte(q.Param), &param) != nil:
		return shown, "invalidParameter.msgParam.invalid", "msgParam 不合法"
	}
	shown = Shown{App: a.Key, Way: WayRobot}
	switch {
	case q.Key == "sampleText" && param.Content != "":
		shown.Type, shown.Content = "text", param.Content
	case q.Key == "sampleMarkdown" && param.Title != "" && param.Text != "":
		shown.Type, shown.Title, shown.Content = "markdown", param.Title, param.Text
	default:
		return shown, "invalidParameter.msgKey.invalid", "msgKey 或 msgParam 不合法"
	}
	return shown, "", ""
}

func (s *Sim) sendToPeople(a *app, body []byte) (int, any) {
	var q robotMessage
	shown, code, why := q.read(a, body)
	if len(q.Users) == 0 || len(q.Users) > maxPeople {
		return refuse(http.StatusBadRequest, "invalidParameter.userIds.invalid", "userIds 不合法")
	}
	if code != "" {
		return refuse(http.StatusBadRequest, code, why)
	}
	out := struct {
		Key     string   `json:"processQueryKey"`
		Invalid []string `json:"invalidStaffIdList"`
		Limited []string `json:"flowControlledStaffIdList"`
	}{s.newID(""), []string{}, []string{}}
	for _, user := range q.Users {
		if strings.HasPrefix(user, "gone") || strings.HasPrefix(user, "$") { // who left, or an opaque id
			out.Invalid = append(out.Invalid, user)
			continue
		}
		shown.Chat, shown.At = user, s.opt.Now()
		s.ledger.show(shown)
	}
	return http.StatusOK, out
}

func (s *Sim) sendToGroup(a *app, body []byte) (int, any) {
	var q robotMessage
	shown, code, why := q.read(a, body)
	switch {
	case code != "":
		return refuse(http.StatusBadRequest, code, why)
	case !strings.HasPrefix(q.Group, "cid"):
		return refuse(http.StatusBadRequest, "invalidParameter.openConversationId", "openConversationId 不合法")
	}
	shown.Chat, shown.At = q.Group, s.opt.Now()
	s.ledger.show(shown)
	return http.StatusOK, map[string]string{"processQueryKey": s.newID("")}
}
