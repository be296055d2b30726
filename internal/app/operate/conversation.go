package operate

import (
	"context"
	"errors"
	"fmt"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// ConversationQuery names a conversation, or a turn as the log names it.
type ConversationQuery struct {
	Tenant  string
	Channel string
	ID      string // as the channel has it: a user, a group, …
	Turn    string // instead of Channel and ID: of a message that waits, is worked on, or is a dead letter
	Reason  string // why its text is read
}

// Check says what is wrong with a query by itself.
func (q ConversationQuery) Check() error {
	switch {
	case !chat.ValidName(q.Tenant):
		return chat.E(chat.Invalid, "conversation", fmt.Errorf("tenant: %.40q is no tenant's name", q.Tenant))
	case q.Turn == "" && (q.Channel == "" || q.ID == ""):
		return chat.E(chat.Invalid, "conversation", errors.New("name the channel and the conversation's id there, or a turn as the log names it"))
	case len(q.Channel) > 64 || len(q.ID) > 512 || len(q.Turn) > 64:
		return chat.E(chat.Invalid, "conversation", errors.New("a name is too long"))
	}
	return nil
}

// ConversationReport is what is kept of a conversation.
type ConversationReport struct {
	Tenant  string       `json:"tenant"`
	Channel string       `json:"channel"`
	ID      string       `json:"id"`
	Dead    []DeadReport `json:"dead_letters"`
	Text    bool         `json:"text"` // texts were asked for
	conversation.Examination
}

// Conversation tells what is kept of a conversation, without a text.
func (d *Desk) Conversation(ctx context.Context, q ConversationQuery) (ConversationReport, error) {
	store, key, err := d.conversation(ctx, q)
	if err != nil {
		return ConversationReport{}, err
	}
	return d.examine(ctx, store, key, false)
}

// Look is Conversation with its texts. It is entered in the audit log before anything is read, and not done if it cannot be.
func (d *Desk) Look(ctx context.Context, env wire.Env, q ConversationQuery) (ConversationReport, error) {
	store, key, err := d.conversation(ctx, q)
	if err != nil {
		return ConversationReport{}, err
	}
	// The entry names the conversation as the log does, opaquely: who is behind an id is not the log's to tell.
	e := audit.Entry{Action: "look", Tenant: key.Tenant, Object: conversation.Opaque(key), Reason: q.Reason, Details: map[string]string{"channel": key.Channel}}
	if _, err := Record(ctx, env, store, d.cfg.Audit(), e); err != nil {
		return ConversationReport{}, fmt.Errorf("nothing is shown: the audit log cannot be written: %s", wire.Reason(err))
	}
	return d.examine(ctx, store, key, true)
}

// conversation finds which one is meant.
func (d *Desk) conversation(ctx context.Context, q ConversationQuery) (store *redisstore.Store, key chat.ConversationKey, err error) {
	if err := q.Check(); err != nil {
		return nil, key, err
	}
	if store, err = d.keeps(ctx); err != nil {
		return nil, key, err
	}
	if q.Turn == "" {
		return store, chat.ConversationKey{Tenant: q.Tenant, Channel: q.Channel, ID: q.ID}, nil
	}
	key, found, err := store.FindTurn(ctx, q.Tenant, q.Turn)
	if err != nil || found {
		return store, key, d.redis(err)
	}
	letters, err := d.findDead(ctx, DeadOptions{Tenant: q.Tenant})
	if err != nil {
		return nil, key, err
	}
	for _, l := range letters {
		if l.Turn() == q.Turn {
			return store, l.Message.Conversation, nil
		}
	}
	return nil, key, chat.E(chat.NotFound, "conversation", errors.New("no message that waits, is worked on, or is a dead letter has this turn: a turn that ended is told of by the log alone"))
}

func (d *Desk) examine(ctx context.Context, store *redisstore.Store, key chat.ConversationKey, text bool) (ConversationReport, error) {
	r := ConversationReport{Tenant: key.Tenant, Channel: key.Channel, ID: key.ID, Text: text}
	var err error
	if r.Examination, err = store.Examine(ctx, key, text); err != nil {
		return r, d.redis(err)
	}
	letters, err := d.findDead(ctx, DeadOptions{Tenant: key.Tenant})
	if err != nil {
		return r, err
	}
	r.Dead = []DeadReport{}
	for _, l := range letters {
		if l.Message.Conversation == key {
			r.Dead = append(r.Dead, reportDead(l))
		}
	}
	if !r.Found() && len(r.Dead) == 0 {
		return r, chat.E(chat.NotFound, "conversation", errors.New("nothing is kept of this conversation: it never was, or its time is over"))
	}
	return r, nil
}
