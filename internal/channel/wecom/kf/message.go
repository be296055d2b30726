package kf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom"
	"parley/internal/chat"
)

// Where an entry comes from (document 94670).
const (
	fromCustomer = 3
	fromSystem   = 4
	fromServicer = 5
)

// welcomeLife is how long the platform takes an answer to a customer's entering.
const welcomeLife = 20 * time.Second

// entry is one of sync_msg's list, as far as Parley reads it.
type entry struct {
	ID     string `json:"msgid"`
	User   string `json:"external_userid"`
	SentAt int64  `json:"send_time"` // Unix seconds
	Origin int    `json:"origin"`
	Type   string `json:"msgtype"`
	Text   struct {
		Content string `json:"content"`
	} `json:"text"`
	Image struct {
		MediaID string `json:"media_id"`
	} `json:"image"`
	Event struct {
		Type        string `json:"event_type"`
		User        string `json:"external_userid"`
		WelcomeCode string `json:"welcome_code"`
		Change      int    `json:"change_type"`
		FailType    int    `json:"fail_type"`
	} `json:"event"`
}

// address is what a reply needs, kept with the message.
type address struct {
	OpenKFID string `json:"open_kfid"`
	// Code answers a customer's entering, once, in place of a right to send.
	Code string `json:"code,omitempty"`
}

// entries reads a page. What cannot be read is said and passed by: it would stand there for ever.
func (k *KF) entries(raw []json.RawMessage, account string) []entry {
	entries := make([]entry, 0, len(raw))
	for _, r := range raw {
		var e entry
		err := json.Unmarshal(r, &e)
		if err == nil && e.Origin == fromSystem && e.User == "" {
			e.User = e.Event.User
		}
		if err == nil && (e.ID == "" || len(e.ID) > maxID || e.User != "" && !isID(e.User)) {
			err = fmt.Errorf("msgid or external_userid is missing or no id")
		}
		if err != nil {
			k.metrics.messages.WithLabelValues(unreadable).Inc()
			k.log.Error("a message of customer service cannot be read and is left out", "open_kfid", account, "err", channel.Printable(err.Error()))
			continue
		}
		entries = append(entries, e)
	}
	return entries
}

// accept accepts what customers wrote on a page, in order. What was sent before since, or is too old, is left out; so is what a human serves.
func (k *KF) accept(ctx context.Context, account string, entries []entry, since int64) error {
	oldest := max(since, k.now().Add(-tooOld).Unix())
	entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.SentAt < oldest && k.passBy(e, leftOut) })
	ours, err := k.sessions(ctx, account, entries)
	if err != nil {
		return err
	}
	for _, e := range entries {
		m, ok := k.message(account, e)
		if !ok || m.Kind != chat.KindWelcome && !ours[e.User] && k.passBy(e, leftAlone) {
			continue
		}
		if e.Origin == fromCustomer {
			if m.Text, err = k.spoke(ctx, account, e, m.Text); err != nil {
				return err
			}
		}
		switch err := k.inbox.Accept(ctx, m); chat.KindOf(err) {
		case chat.Invalid, chat.TooLarge: // for ever
			k.passBy(e, unreadable)
			k.log.Error("a customer's message is not accepted and left out", "open_kfid", account, "err", err)
		default:
			if err != nil {
				return err
			}
			k.metrics.messages.WithLabelValues(taken).Inc()
		}
	}
	return nil
}

// passBy counts what is not answered of what a customer wrote. It is always true.
func (k *KF) passBy(e entry, why string) bool {
	if e.Origin == fromCustomer {
		k.metrics.messages.WithLabelValues(why).Inc()
	}
	return true
}

// message makes an entry a message; ok is false for what needs no answer.
func (k *KF) message(account string, e entry) (m chat.Message, ok bool) {
	to := address{OpenKFID: account}
	m = chat.Message{
		ID: e.ID, User: e.User,
		Conversation: chat.ConversationKey{Tenant: k.tenant, Channel: k.name, ID: k.conversation(account, e.User)},
		SentAt:       time.Unix(e.SentAt, 0).UTC(),
	}
	switch {
	case e.User == "":
		return m, false
	case e.Origin == fromSystem && e.Event.Type == "msg_send_fail":
		k.metrics.undelivered.Inc()
		k.log.Warn("a reply that the platform took was not delivered to the customer", "open_kfid", account, "fail_type", e.Event.FailType,
			"why", failTypes[e.Event.FailType])
		return m, false
	case e.Origin == fromSystem && e.Event.Type == "enter_session" && e.Event.WelcomeCode != "":
		if k.now().Sub(m.SentAt) > welcomeLife {
			return m, false
		}
		m.Kind, to.Code = chat.KindWelcome, e.Event.WelcomeCode
	case e.Origin != fromCustomer:
		return m, false
	case e.Type == "text":
		m.Kind, m.Text = chat.KindText, e.Text.Content
	case e.Type == "image" && e.Image.MediaID != "":
		m.Kind, m.Images = chat.KindText, []chat.Image{wecom.MediaImage(e.Image.MediaID)}
	case e.Type == "event":
		return m, false
	default:
		m.Kind, m.Text = chat.KindUnsupported, e.Type
	}
	m.Address, _ = json.Marshal(to) // two texts: it does not fail
	return m, true
}

// conversation is one customer's with one account.
func (k *KF) conversation(account, user string) string {
	return channel.ConversationID(k.group, channel.Place{User: url.QueryEscape(account) + "/" + url.QueryEscape(user)})
}

// failTypes are the reasons of the event msg_send_fail.
var failTypes = map[int]string{
	0: "unknown", 1: "the account was deleted", 2: "the application was closed", 4: "the customer's 48 hours are over", 5: "the session was closed",
	6: "more than five messages", 8: "the company is not verified (主体未验证)", 10: "the customer refuses messages",
}

// goesOn says whether a customer asks for the rest of an answer.
func goesOn(text string) bool {
	switch strings.ToLower(strings.Trim(text, " \t\n。.！!“”\"")) {
	case "继续", "接着说", "continue", "go on", "more":
		return true
	}
	return false
}
