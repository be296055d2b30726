package feishu

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"
)

// Events that are no message.
const (
	EventAdded   = "im.chat.member.bot.added_v1"
	EventEntered = "im.chat.access_event.bot_p2p_chat_entered_v1"
)

// Message is what a person does.
type Message struct {
	User string // open_id
	Name string
	// Group is the group's chat_id; empty: the person's single chat with the bot.
	Group string
	// At: the message begins with a mention of the bot. Others are mentioned where Text says @_user_2, @_user_3, …
	At     bool
	Others []Person
	// Text is a text's. Pictures go with it as a rich text, or alone.
	Text     string
	Pictures [][]byte
	// Type and Content are those of other kinds, as the platform has them (audio, sticker, post, …).
	Type, Content string
	// Parent is the message that this one answers to; Thread the topic that it is in, whose root is Root.
	Parent, Root, Thread string
	// Event is one that is no message.
	Event string
	// Sender is who writes: user (the default), app.
	Sender string
	// ID, EventID and CreatedAt are given by the platform; set them to deliver an earlier message once more.
	ID, EventID string
	CreatedAt   time.Time
}

// Person is somebody who is mentioned.
type Person struct{ ID, Name string }

// ChatOf is the chat that a message is in.
func (m Message) ChatOf() string {
	if m.Group != "" {
		return m.Group
	}
	return "oc_p2p_" + m.User
}

type object = map[string]any

func person(open string) object {
	return object{"open_id": open, "union_id": "on_" + open, "user_id": ""}
}

// Document is the event of a message, in schema 2.0, as it is before it is sealed. It needs ID, EventID and CreatedAt.
func Document(a App, m Message) []byte {
	header := object{
		"event_id": m.EventID, "event_type": cmp.Or(m.Event, "im.message.receive_v1"), "create_time": ms(m.CreatedAt), "token": a.VerificationToken,
		"app_id": a.AppID, "tenant_key": "simulated",
	}
	var event object
	switch m.Event {
	case "":
		event = m.event(a)
	case EventAdded:
		event = object{"chat_id": m.ChatOf(), "operator_id": person(m.User), "external": false, "name": "群"}
	default:
		event = object{"chat_id": m.ChatOf(), "operator_id": person(m.User), "last_message_id": "", "last_message_create_time": ""}
	}
	doc, _ := json.Marshal(object{"schema": "2.0", "header": header, "event": event}) // texts alone
	return doc
}

func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func (m Message) event(a App) object {
	message := object{
		"message_id": m.ID, "chat_id": m.ChatOf(), "chat_type": "p2p", "message_type": m.Type, "content": m.Content,
		"create_time": ms(m.CreatedAt), "update_time": ms(m.CreatedAt),
	}
	if m.Group != "" {
		message["chat_type"] = "group"
	}
	for name, value := range map[string]string{"root_id": m.Root, "parent_id": m.Parent, "thread_id": m.Thread} {
		if value != "" {
			message[name] = value
		}
	}
	if mentions := m.mentions(a, func(open string) any { return person(open) }); len(mentions) > 0 {
		message["mentions"] = mentions
	}
	return object{
		"sender":  object{"sender_id": person(m.User), "sender_type": cmp.Or(m.Sender, "user"), "tenant_key": "simulated"},
		"message": message,
	}
}

// mentions lists who is mentioned; how their id is written differs between events and the API.
func (m Message) mentions(a App, id func(string) any) (list []object) {
	if m.At {
		list = append(list, object{"key": "@_user_1", "id": id(a.BotID), "name": a.BotName, "tenant_key": "simulated", "mentioned_type": "bot"})
	}
	for i, other := range m.Others {
		list = append(list, object{
			"key": "@_user_" + strconv.Itoa(i+2), "id": id(other.ID), "name": other.Name, "tenant_key": "simulated", "mentioned_type": "user",
		})
	}
	return list
}

// fill writes the content of texts and pictures. keys are those of the pictures.
func (m *Message) fill(keys []string) {
	if m.Type != "" {
		return
	}
	text := m.Text
	if m.At {
		text = "@_user_1 " + text
	}
	var content any
	switch {
	case len(keys) == 0:
		m.Type, content = "text", object{"text": text}
	case len(keys) == 1 && text == "":
		m.Type, content = "image", object{"image_key": keys[0]}
	default:
		m.Type = "post"
		lines := [][]object{{{"tag": "text", "text": text, "style": []string{}}}}
		for _, key := range keys {
			lines = append(lines, []object{{"tag": "img", "image_key": key, "width": 1, "height": 1}})
		}
		content = object{"title": "", "content": lines}
	}
	raw, _ := json.Marshal(content) // texts alone
	m.Content = string(raw)
}
