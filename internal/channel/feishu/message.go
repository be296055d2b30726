package feishu

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// incoming is an im.message.receive_v1 (document "receive message"), as far as Parley reads it.
type incoming struct {
	Sender struct {
		ID   identity `json:"sender_id"`
		Type string   `json:"sender_type"`
	} `json:"sender"`
	Message struct {
		ID       string          `json:"message_id"`
		Root     string          `json:"root_id"`
		Parent   string          `json:"parent_id"`
		Thread   string          `json:"thread_id"`
		Chat     string          `json:"chat_id"`
		ChatType string          `json:"chat_type"`
		Type     string          `json:"message_type"`
		Content  string          `json:"content"` // JSON
		Created  json.RawMessage `json:"create_time"`
		Mentions []mention       `json:"mentions"`
	} `json:"message"`
}

// mention is who stands behind a placeholder (@_user_1) of the content.
type mention struct {
	Key  string `json:"key"`
	ID   openID `json:"id"`
	Name string `json:"name"`
}

// openID is an object in events and a plain text where messages are fetched.
type openID string

// UnmarshalJSON implements json.Unmarshaler.
func (o *openID) UnmarshalJSON(data []byte) error {
	var id identity
	if json.Unmarshal(data, &id) != nil {
		_ = json.Unmarshal(data, &id.Open) // of neither form: nobody
	}
	*o = openID(id.Open)
	return nil
}

const single = "p2p"

// address is what a reply needs to know of its message.
type address struct {
	Message string `json:"message,omitempty"` // that it answers; empty: none, it goes to Chat
	Chat    string `json:"chat"`
	Asker   string `json:"asker,omitempty"` // whom it mentions, in groups
	Thread  bool   `json:"thread,omitempty"`
}

func addressOf(m chat.Message) (a address) {
	_ = json.Unmarshal(m.Address, &a) // what this channel wrote
	return a
}

// said turns a message that somebody wrote into one of Parley; ok is false for what is not meant for the bot.
func (b *bot) said(ctx context.Context, raw json.RawMessage) (m chat.Message, ok bool, err error) {
	var in incoming
	if err := decode(raw, &in); err != nil {
		return m, false, err
	}
	msg := &in.Message
	if in.Sender.Type != "" && in.Sender.Type != "user" {
		return m, false, nil // this bot or another: they would answer each other for ever
	}
	if !isID(msg.ID) || !isID(msg.Chat) || !isID(in.Sender.ID.Open) || msg.Type == "" || msg.ChatType == "" {
		return m, false, errors.New("message_id, chat_id, chat_type, message_type or the sender's open_id is missing")
	}
	for _, id := range []string{msg.Root, msg.Parent, msg.Thread} {
		if id != "" && !isID(id) {
			return m, false, errors.New("root_id, parent_id or thread_id is no identifier")
		}
	}
	me, err := b.called(ctx, msg.ChatType != single, msg.Mentions)
	if err != nil || me == "" && msg.ChatType != single {
		return m, false, err
	}
	place, to := channel.Place{User: in.Sender.ID.Open}, address{Message: msg.ID, Chat: msg.Chat}
	if msg.ChatType != single {
		place.Group, to.Asker, to.Thread = msg.Chat, in.Sender.ID.Open, msg.Thread != "" || b.inThread
		if to.Thread { // the first message of a topic is its root, and has no root_id
			place.Thread = cmp.Or(msg.Root, msg.ID)
		}
	}
	m = b.place(place, msg.ID)
	if ms, err := strconv.ParseInt(string(trimQuotes(msg.Created)), 10, 64); err == nil && ms > 0 {
		m.SentAt = time.UnixMilli(ms).UTC()
	}
	if m.Address, err = json.Marshal(to); err != nil {
		return m, false, err
	}
	b.fill(&m, msg.Type, read(msg.ID, msg.Type, msg.Content, msg.Mentions, me))
	if msg.Parent != "" {
		b.quote(ctx, &m, msg.Parent)
	}
	return m, true, nil
}

func trimQuotes(raw json.RawMessage) json.RawMessage {
	if len(raw) > 1 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

// fill sets what the person said. A text may be empty: a group's member only mentioned the bot.
func (b *bot) fill(m *chat.Message, kind string, c content) {
	m.Kind, m.Text, m.Images = chat.KindText, c.text, c.images
	if m.Text == "" && len(m.Images) == 0 && kind != typeText {
		m.Kind, m.Text = chat.KindUnsupported, kind
	}
}

// called gives the bot's own id if the message mentions it. A single chat need not, and its bot's id is not asked for.
func (b *bot) called(ctx context.Context, group bool, mentions []mention) (string, error) {
	if !group {
		return b.self.known(), nil
	}
	if len(mentions) == 0 {
		return "", nil
	}
	me, err := b.whoAmI(ctx)
	if err != nil {
		return "", err
	}
	for _, at := range mentions {
		if string(at.ID) == me {
			return me, nil
		}
	}
	return "", nil
}
