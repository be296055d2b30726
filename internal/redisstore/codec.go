package redisstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// version stands in every stored JSON document.
const version = 1

// message is a message as the mailbox keeps it.
type message struct {
	V int `json:"v"`
	chat.Message
	Raw *rawIDs `json:"raw,omitempty"`
}

// rawIDs keeps ids that JSON cannot carry: those that are not UTF-8.
type rawIDs struct{ ID, Tenant, Channel, Conversation, User []byte }

func encodeMessage(m chat.Message) ([]byte, error) {
	rec := message{V: version, Message: m}
	k := m.Conversation
	for _, s := range []string{m.ID, k.Tenant, k.Channel, k.ID, m.User} {
		if !utf8.ValidString(s) {
			rec.Raw = &rawIDs{[]byte(m.ID), []byte(k.Tenant), []byte(k.Channel), []byte(k.ID), []byte(m.User)}
		}
	}
	return json.Marshal(rec)
}

func decodeMessage(b string) (chat.Message, error) {
	var rec message
	if err := decode(b, &rec); err != nil {
		return chat.Message{}, err
	}
	if r := rec.Raw; r != nil {
		rec.ID, rec.User = string(r.ID), string(r.User)
		rec.Conversation = chat.ConversationKey{Tenant: string(r.Tenant), Channel: string(r.Channel), ID: string(r.Conversation)}
	}
	return rec.Message, nil
}

// decode reads a stored document and refuses one of a later format rather than misreading it.
func decode(b string, into any) error {
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal([]byte(b), &head); err != nil {
		return err
	}
	if head.V != version {
		return fmt.Errorf("stored document of version %d, this program reads %d", head.V, version)
	}
	return json.Unmarshal([]byte(b), into)
}

// decodeWaiting reads an entry of a mailbox: "1 SEQ ACCEPTED SHED FLAGS\nMESSAGE".
func decodeWaiting(entry string) (conversation.Waiting, error) {
	head, body, _ := strings.Cut(entry, "\n")
	f := strings.Fields(head)
	if len(f) != 5 || f[0] != "1" {
		return conversation.Waiting{}, fmt.Errorf("mailbox entry of an unknown format: %.40q", head)
	}
	m, err := decodeMessage(body)
	if err != nil {
		return conversation.Waiting{}, fmt.Errorf("mailbox entry: %w", err)
	}
	w := conversation.Waiting{Message: m, Seq: number(f[1]), AcceptedAt: when(f[2]), Stops: strings.Contains(f[4], "f")}
	if f[3] != "-" {
		w.Shed = conversation.Shed(f[3])
	}
	return w, nil
}

type turn struct {
	V int `json:"v"`
	chat.Turn
}

// decodeTurn reads an entry of a history: "1 BYTES TOTAL\nTURN".
func decodeTurn(entry string) (chat.Turn, error) {
	_, body, _ := strings.Cut(entry, "\n")
	var t turn
	err := decode(body, &t)
	return t.Turn, err
}

type state struct {
	V int `json:"v"`
	conversation.State
}

type parts struct {
	V     int         `json:"v"`
	Parts []chat.Part `json:"p"`
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64) // only the scripts write what is read here
		return n
	}
	return 0
}

func text(v any) string { s, _ := v.(string); return s }

func list(v any) []any { l, _ := v.([]any); return l }

func when(ms any) time.Time { return time.UnixMilli(number(ms)).UTC() }

// millis rounds up, so that nothing positive becomes 0.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
