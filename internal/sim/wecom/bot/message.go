package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Message is what a person writes to a bot, or does there.
type Message struct {
	User string `json:"user"`
	Chat string `json:"chat,omitempty"` // the group; empty: a single chat
	// Type is the msgtype; empty: text, mixed if there are pictures and text, image if there is a picture alone, event if Event is set.
	Type   string   `json:"type,omitempty"`
	Text   string   `json:"text,omitempty"` // in a group the platform puts "@Name " in front
	Images [][]byte `json:"images,omitempty"`
	Quote  string   `json:"quote,omitempty"`
	Event  string   `json:"event,omitempty"` // enter_chat, feedback_event, template_card_event
	// ID is given by the platform; set it to deliver an earlier message once more.
	ID string `json:"id,omitempty"`

	stream string // a poll's
}

// Posted is a message and what became of its delivery.
type Posted struct {
	Bot string `json:"bot"`
	Message
	Acked bool          `json:"acked"`
	Tries int           `json:"tries"`
	Took  time.Duration `json:"took"` // until it was acknowledged
}

// Say has a person write a text in a single chat. It blocks until the first answer is there, or nobody took the message; see [Sim.Push].
func (s *Sim) Say(ctx context.Context, bot, user, text string) (Posted, error) {
	return s.Push(ctx, bot, Message{User: user, Text: text})
}

// Enter has a person open the chat for the first time of a day.
func (s *Sim) Enter(ctx context.Context, bot, user string) (Posted, error) {
	return s.Push(ctx, bot, Message{User: user, Event: "enter_chat"})
}

// Push delivers a message by callback, or over the long connection if one is there. The error says that it was not taken.
func (s *Sim) Push(ctx context.Context, id string, m Message) (Posted, error) {
	b, err := s.bot(id)
	if err != nil {
		return Posted{}, err
	}
	if m.Type == "" {
		m.Type = kindOf(m)
	}
	if m.ID == "" {
		m.ID = newID()
	}
	if m.Type != "event" && s.crowded(b.ID, m.User) {
		return Posted{Bot: id, Message: m}, fmt.Errorf("%s has %d answers open with this bot: the platform takes no more", m.User, maxInFlight)
	}
	p := Posted{Bot: id, Message: m}
	begun := time.Now()
	if s.linked(b) != nil {
		p.Tries, err = 1, s.pushDown(b, m)
	} else {
		p.Tries, err = s.callBack(ctx, b, m)
	}
	p.Acked, p.Took = err == nil, time.Since(begun)
	s.mu.Lock()
	s.posted = append(s.posted, p)
	s.mu.Unlock()
	return p, err
}

func kindOf(m Message) string {
	switch {
	case m.Event != "":
		return "event"
	case len(m.Images) == 1 && m.Text == "":
		return "image"
	case len(m.Images) > 0:
		return "mixed"
	}
	return "text"
}

// crowded reports whether a person has as many open streams as the platform allows.
func (s *Sim) crowded(bot, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for _, a := range s.answers {
		if a.bot == bot && a.user == user && !a.finished && !a.over {
			open++
		}
	}
	return open >= maxInFlight
}

// body is a message as the platform writes it. key is what pictures are sealed with; nil: each with one of its own, which the message tells.
func (s *Sim) body(b *bot, m Message, key []byte) map[string]any {
	from := map[string]any{"userid": m.User}
	body := map[string]any{"msgid": m.ID, "aibotid": b.ID, "chattype": "single", "from": from, "msgtype": m.Type}
	if m.Chat != "" {
		body["chattype"], body["chatid"] = "group", m.Chat
	}
	text := map[string]any{"content": m.Text}
	if m.Chat != "" {
		text["content"] = "@" + b.Name + " " + m.Text
	}
	switch m.Type {
	case "event":
		body["create_time"] = s.opt.Now().Unix()
		body["event"] = map[string]any{"eventtype": m.Event}
		return body
	case "stream":
		body["stream"] = map[string]any{"id": m.stream}
		return body
	case "text":
		body["text"] = text
	case "voice":
		body["voice"] = map[string]any{"content": m.Text}
	case "image":
		body["image"] = s.putMedia(m.Images[0], key)
	case "mixed":
		items := []any{map[string]any{"msgtype": "text", "text": text}}
		for _, data := range m.Images {
			items = append(items, map[string]any{"msgtype": "image", "image": s.putMedia(data, key)})
		}
		body["mixed"] = map[string]any{"msg_item": items}
	default:
		body[m.Type] = s.putMedia([]byte(m.Text), key)
	}
	if m.Quote != "" {
		body["quote"] = map[string]any{"msgtype": "text", "text": map[string]any{"content": m.Quote}}
	}
	body["response_url"] = s.putCode(b, m)
	return body
}

func encode(v any) []byte {
	b, _ := json.Marshal(v) // maps of texts and numbers
	return b
}
