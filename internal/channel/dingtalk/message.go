package dingtalk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// maxID bounds the identifiers of a message; DingTalk's have below 100 bytes.
const maxID = 256

// incoming is a robot's message, as far as Parley reads it. Both ways in carry the same one.
type incoming struct {
	ID           string `json:"msgId"`
	Type         string `json:"msgtype"`
	Conversation string `json:"conversationId"`
	InGroup      string `json:"conversationType"` // "1" single, "2" group
	Sender       string `json:"senderId"`
	Staff        string `json:"senderStaffId"`
	Nick         string `json:"senderNick"`
	Robot        string `json:"robotCode"`
	CreatedAt    int64  `json:"createAt"`
	Webhook      string `json:"sessionWebhook"`
	Until        int64  `json:"sessionWebhookExpiredTime"`

	Text    content `json:"text"`
	Content content `json:"content"`
}

// message turns a robot's message into one of Parley; ok is false for what needs no answer.
func (r *robot) message(body []byte) (m chat.Message, ok bool, err error) {
	const op = "dingtalk.open"
	var in incoming
	if err := decode(body, &in); err != nil {
		return m, false, chat.E(chat.Invalid, op, err)
	}
	for _, id := range []struct{ name, value string }{
		{"msgId", in.ID}, {"conversationId", in.Conversation}, {"senderId", in.Sender}, {"senderStaffId", in.Staff},
	} {
		if len(id.value) > maxID || id.value == "" && id.name != "senderStaffId" {
			return m, false, chat.E(chat.Invalid, op, fmt.Errorf("%s is missing or has more than %d bytes", id.name, maxID))
		}
	}
	if in.Robot != "" && in.Robot != r.code {
		return m, false, chat.E(chat.Forbidden, op, fmt.Errorf("sent to another robot than robot_code %s: is it the RobotCode of the application's 机器人 page?", r.code))
	}
	if in.Webhook != "" && !within(in.Webhook, r.webhooks) {
		return m, false, chat.E(chat.Forbidden, op, errors.New("sessionWebhook lies outside of platforms.dingtalk_webhooks in client.yaml"))
	}
	place, to := channel.Place{User: in.Staff}, address{Webhook: in.Webhook, Until: in.Until, Staff: in.Staff, Sender: in.Sender}
	if place.User == "" {
		place.User = in.Sender
	}
	switch in.InGroup {
	case "1":
	case "2":
		place.Group, to.Group, to.Nick = in.Conversation, in.Conversation, nick(in.Nick)
	default:
		return m, false, chat.E(chat.Invalid, op, errors.New("conversationType is neither 1 nor 2"))
	}
	m = chat.Message{
		ID: in.ID, User: place.User,
		Conversation: chat.ConversationKey{Tenant: r.tenant, Channel: r.name, ID: channel.ConversationID(r.group, place)},
	}
	if in.CreatedAt > 0 {
		m.SentAt = time.UnixMilli(in.CreatedAt).UTC()
	}
	if m.Address, err = json.Marshal(to); err != nil {
		return m, false, chat.E(chat.Internal, op, err)
	}
	if err := in.fill(&m); err != nil {
		return m, false, chat.E(chat.Invalid, op, err)
	}
	return m, true, nil
}

// fill sets what the person said.
func (in incoming) fill(m *chat.Message) error {
	m.Kind = chat.KindText
	switch in.Type {
	case "":
		return errors.New("msgtype is missing")
	case "text":
		m.Text = strings.TrimSpace(in.Text.Content) // in a group a space is left of the mention
	case "richText", "picture":
		text, codes := in.Content.read()
		m.Text = strings.TrimSpace(text)
		m.Images = images(codes)
	case "audio":
		m.Text = strings.TrimSpace(in.Content.Recognition)
	}
	quoted, codes := in.quote()
	m.Quote = quoted
	m.Images = append(m.Images, images(codes)...)
	m.Images = m.Images[:min(len(m.Images), chat.MaxImages)]
	// A message of text may be empty: a group's member only mentioned the robot.
	if m.Text == "" && len(m.Images) == 0 && in.Type != "text" {
		m.Kind, m.Text = chat.KindUnsupported, in.Type
	}
	return nil
}

// imageRef is where a picture lies; the code is for this robot alone.
type imageRef struct {
	Code string `json:"code"`
}

func images(codes []string) (list []chat.Image) {
	for _, code := range codes {
		ref, err := json.Marshal(imageRef{code})
		if err == nil {
			list = append(list, chat.Image{Ref: ref})
		}
	}
	return list
}

// nick is a name that people give themselves, fit to stand behind an @.
func nick(name string) string {
	name = strings.TrimLeft(channel.Printable(name), "@＠ ")
	if runes := []rune(name); len(runes) > 40 {
		name = string(runes[:40])
	}
	return name
}
