package feishu

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const typeVerification = "url_verification"

// The events that are answered. All others are acknowledged and left.
const (
	eventMessage = "im.message.receive_v1"
	eventAdded   = "im.chat.member.bot.added_v1"
	eventEntered = "im.chat.access_event.bot_p2p_chat_entered_v1"
	eventCreated = "p2p_chat_create" // of schema 1.0, which has no header
)

// event is what a callback or a frame holds, in schema 2.0 or 1.0.
type event struct {
	Schema string `json:"schema"`
	Header struct {
		ID    string `json:"event_id"`
		Type  string `json:"event_type"`
		Token string `json:"token"`
		App   string `json:"app_id"`
	} `json:"header"`
	Event json.RawMessage `json:"event"`

	Type      string `json:"type"` // of schema 1.0, and of a verification
	Token     string `json:"token"`
	Challenge string `json:"challenge"`
	ID        string `json:"uuid"`
}

func (e event) token() string { return cmp.Or(e.Header.Token, e.Token) }

// identity is a person, by the id that is the application's own.
type identity struct {
	Open string `json:"open_id"`
}

// message turns an event into a message of Parley; ok is false for what needs no answer.
func (b *bot) message(ctx context.Context, e event) (m chat.Message, ok bool, err error) {
	const op = "feishu.open"
	kind, app, id := e.Header.Type, e.Header.App, e.Header.ID
	if e.Schema == "" {
		var old struct {
			Type string `json:"type"`
			App  string `json:"app_id"`
		}
		_ = json.Unmarshal(e.Event, &old) // what does not fit is of no type
		kind, app, id = old.Type, old.App, e.ID
	} else if e.Schema != "2.0" {
		return m, false, chat.E(chat.Invalid, op, fmt.Errorf("the event has schema %q; 2.0 is known", channel.Printable(e.Schema)))
	}
	if app != b.app {
		return m, false, chat.E(chat.Forbidden, op, fmt.Errorf("sent to another application than app_id %s: is it the App ID of the application's 凭证与基础信息 page?", b.app))
	}
	switch kind {
	case eventMessage:
		m, ok, err = b.said(ctx, e.Event)
	case eventAdded, eventEntered, eventCreated:
		m, err = b.opened(kind, id, e.Event)
		ok = err == nil
	}
	if err != nil {
		if _, judged := errors.AsType[*chat.Error](err); !judged {
			err = chat.E(chat.Invalid, op, err)
		}
		return chat.Message{}, false, err
	}
	return m, ok, nil
}

// opened is a chat that begins: a person opened the bot's, or somebody took the bot into a group.
func (b *bot) opened(kind, id string, raw json.RawMessage) (m chat.Message, err error) {
	var in struct {
		Chat       string   `json:"chat_id"`
		OperatorID identity `json:"operator_id"`
		Operator   identity `json:"operator"` // of schema 1.0
	}
	if err := decode(raw, &in); err != nil {
		return m, err
	}
	who := cmp.Or(in.OperatorID.Open, in.Operator.Open)
	if !isID(id) || !isID(in.Chat) || !isID(who) {
		return m, errors.New("event_id, chat_id or the operator's open_id is missing")
	}
	place, to := channel.Place{User: who}, address{Chat: in.Chat}
	if kind == eventAdded {
		place.Group, to.Asker = in.Chat, who
	}
	m = b.place(place, "event:"+id)
	m.Kind, m.OnceFor = chat.KindWelcome, 24*time.Hour
	m.Once = "welcome:" + cmp.Or(place.Group, who)
	m.Address, err = json.Marshal(to)
	return m, err
}

// place is a message of someone somewhere.
func (b *bot) place(p channel.Place, id string) chat.Message {
	return chat.Message{
		ID: id, User: p.User,
		Conversation: chat.ConversationKey{Tenant: b.tenant, Channel: b.name, ID: channel.ConversationID(b.group, p)},
	}
}

// decode decodes an object. Its errors quote nothing of what people wrote.
func decode(body []byte, v any) error {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return errors.New("the body is no JSON object")
	}
	err := json.Unmarshal(body, v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s has the wrong type", t.Field)
	}
	if err != nil {
		return errors.New("the body is not JSON")
	}
	return nil
}

// encode writes JSON as it is, without escapes for HTML.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}
