package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// maxID bounds the identifiers of a callback; WeCom's have at most 64 bytes.
const maxID = 256

// incoming is what a callback holds (documents 90239, 90240), as far as Parley reads it.
type incoming struct {
	From      string `xml:"FromUserName"`
	CreatedAt int64  `xml:"CreateTime"`
	Type      string `xml:"MsgType"`
	Agent     string `xml:"AgentID"`
	ID        string `xml:"MsgId"`
	Content   string `xml:"Content"`
	Event     string `xml:"Event"`
	EventKey  string `xml:"EventKey"`
	MediaID   string `xml:"MediaId"`
	// Recognition is what the platform heard in a voice message; only some old setups get it.
	Recognition string `xml:"Recognition"`
}

// SetXML implements wecom.Flat.
func (in *incoming) SetXML(name string, text []byte) bool {
	switch name {
	case "FromUserName":
		in.From = string(text)
	case "CreateTime":
		n, err := strconv.ParseInt(string(text), 10, 64)
		in.CreatedAt = n
		return err == nil
	case "MsgType":
		in.Type = string(text)
	case "AgentID":
		in.Agent = string(text)
	case "MsgId":
		in.ID = string(text)
	case "Content":
		in.Content = string(text)
	case "Event":
		in.Event = string(text)
	case "EventKey":
		in.EventKey = string(text)
	case "MediaId":
		in.MediaID = string(text)
	case "Recognition":
		in.Recognition = string(text)
	}
	return true
}

// message turns a callback into a message; ok is false for what needs no answer.
func (a *App) message(in incoming) (m chat.Message, ok bool, err error) {
	const op = "wecom.open"
	if strings.TrimSpace(in.Agent) != strconv.FormatInt(a.agent, 10) {
		return m, false, chat.E(chat.Forbidden, op, fmt.Errorf("sent to another application than AgentID %d: is the channel's agent_id right?", a.agent))
	}
	// The user becomes message/send's receiver, where "|" separates several and "@all" is everybody.
	if in.From == "" || len(in.From) > maxID || strings.Contains(in.From, "|") || strings.HasPrefix(in.From, "@") {
		return m, false, chat.E(chat.Invalid, op, errors.New("FromUserName is missing or not one user's id"))
	}
	if len(in.ID) > maxID {
		return m, false, chat.E(chat.Invalid, op, fmt.Errorf("MsgId has %d bytes; at most %d", len(in.ID), maxID))
	}
	m = chat.Message{
		ID:           in.messageID(),
		Conversation: chat.ConversationKey{Tenant: a.tenant, Channel: a.name, ID: in.From},
		User:         in.From,
	}
	if in.CreatedAt > 0 {
		m.SentAt = time.Unix(in.CreatedAt, 0).UTC()
	}
	switch {
	case in.Type == "":
		return m, false, chat.E(chat.Invalid, op, errors.New("MsgType is missing"))
	case in.Type == "text":
		m.Kind, m.Text = chat.KindText, in.Content
	case in.Type == "image" && in.MediaID != "" && len(in.MediaID) <= maxID:
		m.Kind, m.Images = chat.KindText, []chat.Image{wecom.MediaImage(in.MediaID)}
	case in.Type == "voice" && strings.TrimSpace(in.Recognition) != "":
		m.Kind, m.Text = chat.KindText, in.Recognition
	case in.Type == "event":
		if in.Event != "enter_agent" && in.Event != "subscribe" {
			return m, false, nil // menus, locations, cards: nothing that a person waits to have answered
		}
		m.Kind, m.Once, m.OnceFor = chat.KindWelcome, "welcome:"+in.From, 24*time.Hour
	default:
		m.Kind, m.Text = chat.KindUnsupported, in.Type
	}
	return m, true, nil
}

// messageID is what WeCom says to recognise a redelivery by: MsgId, and for events, which have none, sender and time. Parts of such an
// id come from outside, so they are escaped.
func (in incoming) messageID() string {
	if id := strings.TrimSpace(in.ID); id != "" {
		return id
	}
	what := in.Event + ":" + url.QueryEscape(in.EventKey)
	if in.Type != "event" {
		sum := sha256.Sum256([]byte(in.Type + "\x00" + in.Content))
		what = hex.EncodeToString(sum[:8])
	} else if len(in.EventKey) > maxID {
		sum := sha256.Sum256([]byte(in.EventKey))
		what = in.Event + ":" + hex.EncodeToString(sum[:])
	}
	return strings.Join([]string{"event", url.QueryEscape(in.From), strconv.FormatInt(in.CreatedAt, 10), what}, ":")
}
