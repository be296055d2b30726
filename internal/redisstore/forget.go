package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Forget implements conversation.Store.
func (s *Store) Forget(ctx context.Context, c conversation.Claim, user string) (conversation.Forgotten, error) {
	const op = "forget"
	mark, err := signature(c.Message.Message)
	if err != nil {
		return conversation.Forgotten{}, invalid(op, err)
	}
	v, err := s.run(ctx, op, s.scripts.forget, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence, mark, url.PathEscape(user), conversation.Nobody)
	if err != nil {
		return conversation.Forgotten{}, err
	}
	r := list(v)
	switch {
	case len(r) == 1 && number(r[0]) == codeFenced:
		return conversation.Forgotten{}, conversation.ErrFenced
	case len(r) != 5:
		return conversation.Forgotten{}, failure(op, fmt.Errorf("the script answered %v", v))
	}
	return conversation.Forgotten{
		Turns: int(number(r[1])), Shown: int(number(r[2])), Letters: int(number(r[3])), Days: int(number(r[4])),
	}, nil
}

// signature is what stands in every stored message of the same person in the same conversation, and in no other: no text can hold it, for
// within JSON's strings quotes are escaped.
func signature(m chat.Message) (string, error) {
	var v any = struct {
		Conversation chat.ConversationKey `json:"conversation"`
		User         string               `json:"user"`
	}{m.Conversation, m.User}
	k := m.Conversation
	if !utf8.ValidString(k.Tenant + "\x00" + k.Channel + "\x00" + k.ID + "\x00" + m.User) {
		v = struct{ Tenant, Channel, Conversation, User []byte }{[]byte(k.Tenant), []byte(k.Channel), []byte(k.ID), []byte(m.User)}
	}
	b, err := json.Marshal(v)
	return strings.Trim(string(b), "{}"), err
}
