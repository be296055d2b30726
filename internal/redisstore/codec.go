package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// format begins every stored JSON document.
type format struct {
	V int `json:"v"`
}

// current is the format that this program writes and reads.
func current() format { return format{1} }

// errLater: a later release wrote it.
var errLater = errors.New("of a later release")

func (f format) check() error {
	switch {
	case f.V > current().V:
		return fmt.Errorf("%w: stored document of version %d, this program reads %d", errLater, f.V, current().V)
	case f != current():
		return fmt.Errorf("stored document of version %d, this program reads %d", f.V, current().V)
	}
	return nil
}

// decode reads a stored document and refuses one of a later format rather than misreading it.
func decode(b string, into interface{ check() error }) error {
	if err := json.Unmarshal([]byte(b), into); err != nil {
		return err
	}
	return into.check()
}

// message is a message as the mailbox keeps it.
type message struct {
	format
	chat.Message
	Raw *rawIDs `json:"raw,omitempty"`
}

// rawIDs keeps ids that JSON cannot carry: those that are not UTF-8.
type rawIDs struct{ ID, Tenant, Channel, Conversation, User []byte }

func encodeMessage(m chat.Message) ([]byte, error) {
	rec := message{format: current(), Message: m}
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

// decodeWaiting reads an entry of a mailbox: "1 SEQ ACCEPTED SHED FLAGS\nMESSAGE".
func decodeWaiting(entry string) (conversation.Waiting, error) {
	head, body, _ := strings.Cut(entry, "\n")
	f := strings.Fields(head)
	if len(f) != 5 || f[0] != "1" {
		return conversation.Waiting{}, fmt.Errorf("mailbox entry of an unknown format: %.10q", head)
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
	format
	chat.Turn
}

// decodeTurn reads an entry of a history: "1 BYTES TOTAL\nTURN".
func decodeTurn(entry string) (chat.Turn, error) {
	head, body, _ := strings.Cut(entry, "\n")
	if v, _, _ := strings.Cut(head, " "); number(v) > int64(current().V) {
		return chat.Turn{}, fmt.Errorf("%w: history entry of version %.10s", errLater, v)
	}
	if t, ok := fastTurn(body); ok {
		return t, nil
	}
	var t turn
	err := decode(body, &t)
	return t.Turn, err
}

type state struct {
	format
	conversation.State
}

type parts struct {
	format
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
