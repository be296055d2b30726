package feishu

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// stored is a message as the platform has it, a person's or a bot's.
type stored struct {
	app, chat    string
	thread, root string
	message      Message // of a person
	own          *Shown  // of a bot
	withdrawn    bool
}

// image is a picture of a message.
type image struct {
	message string
	data    []byte
}

const (
	uuidFor   = time.Hour
	maxUUID   = 50
	maxCard   = 30 << 10
	maxPlain  = 150 << 10
	idOfChats = "chat_id"
)

// posting is a message that an application sends.
type posting struct {
	To      string `json:"receive_id"`
	Type    string `json:"msg_type"`
	Content string `json:"content"`
	Thread  bool   `json:"reply_in_thread"`
	UUID    string `json:"uuid"`
}

// reply answers a message (document "reply to a message").
func (s *Sim) reply(a *app, r *http.Request) answer {
	var p posting
	if no, taken := take(r, &p); !taken {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.messages[r.PathValue("id")]
	switch {
	case to == nil || to.app != a.AppID:
		return refuse(230001, "Your request contains an invalid request parameter, ext=invalid message_id.")
	case to.withdrawn:
		return refuse(230011, "The message is recalled.")
	case p.Thread && a.NoTopics && to.thread == "":
		return refuse(230071, "The group to which the message belongs does not support reply in thread.")
	}
	root := to.root
	if root == "" {
		root = r.PathValue("id")
	}
	thread := to.thread
	if thread == "" && p.Thread {
		thread = "omt_" + strings.TrimPrefix(root, "om_")
		to.thread = thread
	}
	return s.post(a, p, Shown{Chat: to.chat, ReplyTo: r.PathValue("id"), Thread: thread, Root: root})
}

// send writes into a chat (document "send a message").
func (s *Sim) send(a *app, r *http.Request) answer {
	var p posting
	if no, taken := take(r, &p); !taken {
		return no
	}
	if r.URL.Query().Get("receive_id_type") != idOfChats || !strings.HasPrefix(p.To, "oc_") {
		return refuse(230001, "Your request contains an invalid request parameter, ext=invalid receive_id.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.post(a, p, Shown{Chat: p.To})
}

// post shows a message. One uuid is shown once within an hour; a repetition is answered as the first. The caller holds the lock.
func (s *Sim) post(a *app, p posting, m Shown) answer {
	if len(p.UUID) > maxUUID {
		return refuse(230001, "Your request contains an invalid request parameter, ext=uuid is too long.")
	}
	now := s.opt.Now()
	key := a.AppID + "/" + p.UUID
	if before, known := s.uuids[key]; known && p.UUID != "" && now.Sub(before.at) < uuidFor {
		s.ledger.duplicate()
		return ok(object{"message_id": before.message, "chat_id": m.Chat, "msg_type": p.Type})
	}
	if s.over("chat/"+m.Chat, s.opt.PerChat, time.Second) {
		return refuse(230020, "This operation triggers the frequency limit.")
	}
	m.AppID, m.At, m.Type, m.UUID = a.AppID, now, p.Type, p.UUID
	if no := s.render(a, p, &m); no.code != 0 {
		return no
	}
	m.ID = s.id("om_")
	s.uuids[key] = once{m.ID, now}
	s.messages[m.ID] = &stored{app: a.AppID, chat: m.Chat, thread: m.Thread, root: m.Root, own: &m}
	if m.Card != "" {
		s.cards[m.Card].shown = &m
	}
	s.ledger.show(m)
	return ok(object{"message_id": m.ID, "root_id": m.Root, "parent_id": m.ReplyTo, "thread_id": m.Thread, "chat_id": m.Chat, "msg_type": p.Type})
}

// render reads what people see of a content. The caller holds the lock.
func (s *Sim) render(a *app, p posting, m *Shown) answer {
	limit := maxCard
	if p.Type == "text" {
		limit = maxPlain
	}
	var in struct {
		Text *string `json:"text"`
		Type string  `json:"type"`
		Data struct {
			Card string `json:"card_id"`
		} `json:"data"`
		Chinese *rich `json:"zh_cn"`
		English *rich `json:"en_us"`
	}
	if len(p.Content) > limit {
		return refuse(230025, "The length of the message content reaches its limit.")
	}
	if json.Unmarshal([]byte(p.Content), &in) != nil {
		return refuse(230001, "Your request contains an invalid request parameter, ext=content is not a string in json format.")
	}
	switch {
	case p.Type == "text" && in.Text != nil:
		m.Text = *in.Text
	case p.Type == "post" && (in.Chinese != nil || in.English != nil):
		if in.Chinese == nil {
			in.Chinese = in.English
		}
		m.Text, m.Mentions = in.Chinese.read()
	case p.Type == "interactive" && in.Type == "card":
		return s.attach(a, in.Data.Card, m)
	case p.Type == "interactive":
		c, no := parseCard(p.Content)
		if no.code != 0 {
			return refuse(230099, "Failed to create card content, ext=ErrCode: "+no.message)
		}
		m.Text = c.text()
	default:
		return refuse(230001, "Your request contains an invalid request parameter, ext=msg_type or content is invalid.")
	}
	m.Mentions = append(m.Mentions, mentioned(m.Text)...)
	if strings.TrimSpace(m.Text) == "" {
		return refuse(230001, "Your request contains an invalid request parameter, ext=message content is empty.")
	}
	return answer{}
}

// atTag is a mention as cards and texts have it.
var atTag = regexp.MustCompile(`<at\s+(?:id|user_id)\s*=\s*"?([^">\s]+)"?\s*>`)

func mentioned(text string) (ids []string) {
	for _, found := range atTag.FindAllStringSubmatch(text, -1) {
		ids = append(ids, found[1])
	}
	return ids
}

// rich is a rich text that is sent.
type rich struct {
	Title string `json:"title"`
	Lines [][]struct {
		Tag  string `json:"tag"`
		Text string `json:"text"`
		User string `json:"user_id"`
	} `json:"content"`
}

func (r *rich) read() (text string, mentions []string) {
	lines := []string{}
	if r.Title != "" {
		lines = append(lines, r.Title)
	}
	for _, elements := range r.Lines {
		var line strings.Builder
		for _, e := range elements {
			if e.Tag == "at" {
				mentions = append(mentions, e.User)
			}
			line.WriteString(e.Text)
		}
		if line.Len() > 0 {
			lines = append(lines, line.String())
		}
	}
	return strings.Join(lines, "\n"), mentions
}

// Withdraw takes a person's message back.
func (s *Sim) Withdraw(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.messages[id]; m != nil {
		m.withdrawn = true
	}
}

// getMessage gives a message (document "obtain the content of the specified message").
func (s *Sim) getMessage(a *app, r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[r.PathValue("id")]
	if m == nil || m.app != a.AppID {
		return refuse(230002, "The bot can not be outside the group.")
	}
	item := object{"message_id": r.PathValue("id"), "chat_id": m.chat, "deleted": m.withdrawn, "root_id": m.root, "thread_id": m.thread}
	if m.own != nil {
		content, _ := json.Marshal(object{"text": m.own.Text}) // texts alone
		item["msg_type"], item["body"] = "text", object{"content": string(content)}
		item["sender"] = object{"id": a.AppID, "id_type": "app_id", "sender_type": "app"}
	} else {
		item["msg_type"], item["body"] = m.message.Type, object{"content": m.message.Content}
		item["sender"] = object{"id": m.message.User, "id_type": "open_id", "sender_type": "user"}
		item["mentions"] = m.message.mentions(a.App, func(open string) any { return open })
	}
	return ok(object{"items": []object{item}})
}

// getResource gives a message's picture (document "obtain resource files in messages").
func (s *Sim) getResource(a *app, r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, img := s.messages[r.PathValue("id")], s.images[r.PathValue("key")]
	switch {
	case r.URL.Query().Get("type") != "image":
		return refuse(234001, "Invalid request param.")
	case m == nil || m.app != a.AppID:
		return refuse(234004, "App not in chat.")
	case img.message != r.PathValue("id"):
		return refuse(234003, "File not in message.")
	case m.withdrawn:
		return refuse(230110, "Action unavailable as the message has been deleted.")
	}
	return answer{file: bytes.Clone(img.data)}
}
