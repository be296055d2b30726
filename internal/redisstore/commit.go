package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// deadFor is how long a dead letter is kept when Keep does not say.
const deadFor = 7 * 24 * time.Hour

// Commit implements conversation.Store.
func (s *Store) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	const op = "commit"
	var turnDoc, stateDoc, partsDoc []byte
	size, reset, dead := 0, 0, ""
	var err error
	if t := o.Turn; t != nil {
		size = len(t.Question) + len(t.Answer)
		if turnDoc, err = json.Marshal(turn{current(), *t}); err != nil {
			return conversation.Next{}, invalid(op, fmt.Errorf("turn: %w", err))
		}
	}
	if o.State != (conversation.State{}) {
		if stateDoc, err = json.Marshal(state{current(), o.State}); err != nil {
			return conversation.Next{}, invalid(op, fmt.Errorf("state: %w", err))
		}
	}
	if len(o.Parts) > 0 {
		if partsDoc, err = json.Marshal(parts{current(), o.Parts}); err != nil {
			return conversation.Next{}, invalid(op, fmt.Errorf("parts: %w", err))
		}
	}
	if o.Reset {
		reset = 1
	}
	if o.Dead != "" {
		dead = strconv.QuoteToASCII(o.Dead) // one line
	}
	args := []any{
		c.Handle, name(c.Owner), c.Fence,
		turnDoc, size, reset, stateDoc, partsDoc, len(o.Parts), millis(max(o.Keep.TTL, 0)), o.Keep.Turns, o.Keep.Bytes,
		dead, millis(cmp.Or(max(o.Keep.Dead, 0), deadFor)),
		o.Claim.Pace.Burst, millis(max(o.Claim.Pace.Every, 0)),
	}
	s.apart(ctx, c, args)
	v, err := s.run(ctx, op, s.scripts.commit, prefix(c.Shard), append(args, s.spending(o.User, o.Spent)...)...)
	return s.next(ctx, op, c, o.Claim, v, err)
}

// Delivered implements conversation.Store.
func (s *Store) Delivered(ctx context.Context, c conversation.Claim, part int, opt conversation.ClaimOptions) (conversation.Next, error) {
	const op = "delivered"
	v, err := s.run(ctx, op, s.scripts.delivered, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence, part,
		opt.Pace.Burst, millis(max(opt.Pace.Every, 0)))
	return s.next(ctx, op, c, opt, v, err)
}

// The codes that common.lua lists.
const (
	codeFenced = iota
	codeDone
	codeGoesOn
	codeMisused
)

// next reads a step's answer. opt is for the next message, if the step claimed that.
func (s *Store) next(
	ctx context.Context, op string, c conversation.Claim, opt conversation.ClaimOptions, v any, err error,
) (conversation.Next, error) {
	if err != nil {
		return conversation.Next{}, err
	}
	r := list(v)
	if len(r) == 0 {
		return conversation.Next{}, failure(op, fmt.Errorf("the script answered %v", v))
	}
	switch number(r[0]) {
	case codeFenced:
		return conversation.Next{}, conversation.ErrFenced
	case codeMisused:
		return conversation.Next{}, invalid(op, errOrder)
	case codeGoesOn:
		if len(r) > 1 {
			return conversation.Next{Wait: time.Duration(number(r[1])) * time.Millisecond}, nil
		}
	case codeDone:
		if len(r) > 1 {
			claims := make([]conversation.Claim, 1)
			claims[0], err = decodeClaim(c.Shard, c.Owner, list(r[1]))
			if err == nil {
				err = s.recall(ctx, claims, opt.HistoryTurns)[0]
			}
			switch _, down := errors.AsType[*chat.Error](err); {
			case err == nil:
				return conversation.Next{Claim: &claims[0]}, nil
			case down: // the step was done; repeated, it claims no more
				return conversation.Next{}, err
			}
			s.leave(ctx, claims[0]) // whoever claims the conversation next tells of it
		}
	}
	return conversation.Next{}, nil
}
