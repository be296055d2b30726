package dingtalk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Message is what a person says.
type Message struct {
	ID      string // empty: a new one
	User    string // the userId
	Outside bool   // the person is not of the company: no userId is told, only an opaque id
	Nick    string
	Group   string // a group's conversationId; empty: a single chat with the robot
	Type    string // empty: text
	Text    string // of a text; the words of a richText; what was recognised of an audio
	// Pictures are those of a picture or richText.
	Pictures [][]byte
	Quote    *Quote
	At       time.Time // zero: now
	Content  any       // in place of the content that Type would have
	// NoWebhook leaves the sessionWebhook out; Webhook puts another one in its place.
	NoWebhook bool
	Webhook   string
}

// Quote is the message that a person answers to.
type Quote struct {
	Type string // text, richText, picture, …
	Text string
	// Pictures are those of a picture or richText.
	Pictures [][]byte
}

// sender is the opaque id that everybody has.
func (m Message) sender() string { return "$:LWCP_v1:$" + m.User }

// chat is where the message was said, as the ledger names it.
func (m Message) chat() string {
	switch {
	case m.Group != "":
		return m.Group
	case m.Outside:
		return m.sender()
	default:
		return m.User
	}
}

// session is a sessionWebhook.
type session struct {
	app, chat string
	expires   time.Time
	blocked   time.Time // until when the chat takes nothing
}

// document writes a message as the robot gets it. Its session begins with it.
func (s *Sim) document(a *app, m *Message) ([]byte, error) {
	now := s.opt.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.origin == "" {
		return nil, errors.New("the platform does not know its own address: call SetOrigin")
	}
	s.lastID++
	if m.ID == "" {
		m.ID = "msg" + strconv.FormatInt(s.lastID, 36) + "=="
	}
	if m.At.IsZero() {
		m.At = now
	}
	doc := map[string]any{
		"conversationId": "cid" + m.chat(), "conversationType": "1", "chatbotCorpId": "dingcorp", "chatbotUserId": "$:LWCP_v1:$robot", "msgId": m.ID,
		"senderId": m.sender(), "senderNick": m.Nick, "senderCorpId": "dingcorp", "isAdmin": false, "createAt": m.At.UnixMilli(), "robotCode": a.Robot,
		"senderPlatform": "Mac",
	}
	if !m.Outside {
		doc["senderStaffId"] = m.User
	}
	if m.Group != "" {
		doc["conversationId"], doc["conversationType"], doc["conversationTitle"] = m.Group, "2", "群"
		doc["isInAtList"], doc["atUsers"] = true, []map[string]string{{"dingtalkId": "$:LWCP_v1:$robot"}}
	}
	if !m.NoWebhook {
		id, until := s.newID(""), now.Add(s.opt.WebhookLife)
		s.sessions[id] = &session{app: a.Key, chat: m.chat(), expires: until}
		doc["sessionWebhook"], doc["sessionWebhookExpiredTime"] = s.origin+"/robot/sendBySession?session="+id, until.UnixMilli()
		if m.Webhook != "" {
			doc["sessionWebhook"] = m.Webhook
		}
	}
	if err := s.content(a, m, doc); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// content writes what the person said. The caller holds the lock.
func (s *Sim) content(a *app, m *Message, doc map[string]any) error {
	doc["msgtype"] = "text"
	if m.Type != "" {
		doc["msgtype"] = m.Type
	}
	content := map[string]any{}
	switch doc["msgtype"] {
	case "text":
		text := m.Text
		if m.Group != "" {
			text = " " + text // what is left of the mention
		}
		content["content"] = text
		doc["text"] = content
	case "richText":
		content["richText"] = s.pieces(a, m.Text, m.Pictures, false)
		doc["content"] = content
	case "picture":
		if len(m.Pictures) != 1 {
			return errors.New("a picture message holds one picture")
		}
		content["downloadCode"] = s.keep(a, m.Pictures[0])
		content["pictureDownloadCode"] = content["downloadCode"]
		doc["content"] = content
	case "audio":
		content["recognition"], content["duration"], content["downloadCode"] = m.Text, 4000, s.newID("")
		doc["content"] = content
	default:
		doc["content"] = map[string]any{"fileName": "a.pdf", "downloadCode": s.newID(""), "spaceId": "1", "fileId": "2"}
	}
	if m.Content != nil {
		doc["content"] = m.Content
	}
	if m.Quote != nil {
		content["isReplyMsg"], content["repliedMsg"] = true, s.quoted(a, *m.Quote)
	}
	return nil
}

// quoted writes the message that is answered to, as clients have been seen to send it.
func (s *Sim) quoted(a *app, q Quote) map[string]any {
	content := map[string]any{}
	switch q.Type {
	case "richText":
		content["richText"] = s.pieces(a, q.Text, q.Pictures, true)
	case "picture":
		for _, p := range q.Pictures {
			content["downloadCode"] = s.keep(a, p)
		}
	case "file":
		content["fileName"], content["downloadCode"] = q.Text, s.newID("")
	case "interactiveCard":
		content["cardContent"] = map[string]any{"elementType": "ROOT", "children": []any{
			map[string]any{"elementType": "IMAGE", "value": "@lADP"}, map[string]any{"elementType": "BOX", "children": []any{
				map[string]any{"elementType": "TEXT", "value": q.Text},
			}},
		}}
	default:
		content["content"] = q.Text
	}
	return map[string]any{"msgType": q.Type, "msgId": s.newID("msg"), "senderId": "$:LWCP_v1:$x", "createdAt": s.opt.Now().UnixMilli(), "content": content}
}

func (s *Sim) pieces(a *app, text string, pictures [][]byte, quoted bool) (list []map[string]any) {
	if quoted {
		list = append(list, map[string]any{"msgType": "text", "content": text})
	} else {
		list = append(list, map[string]any{"text": text})
	}
	for _, p := range pictures {
		code := s.keep(a, p)
		if quoted {
			list = append(list, map[string]any{"msgType": "picture", "downloadCode": code})
		} else {
			list = append(list, map[string]any{"type": "picture", "downloadCode": code, "pictureDownloadCode": fmt.Sprint("p", code)})
		}
	}
	return list
}
