package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Claim implements conversation.Store. Claims returned with an error are good: other shards failed, or what some conversations hold cannot
// be read (conversation.Unreadable): those are left for a while, to a later release or a person. After an error more may have been claimed than is returned: see [Store.Owned].
func (s *Store) Claim(ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	const op = "claim"
	if opt.Lease <= 0 {
		return nil, invalid(op, errTTL)
	}
	if most <= 0 || len(shards) == 0 {
		return nil, nil
	}
	v, err := s.each(ctx, op, s.scripts.claim, prefixes(shards), nil, name(owner), most, millis(opt.Lease), opt.HistoryTurns)
	err = inShards(shards, v, err)
	var out []conversation.Claim
	strange := &conversation.Unreadable{}
	for i, r := range v {
		for _, row := range list(r) {
			c, unreadable := decodeClaim(shards[i], owner, list(row))
			if unreadable != nil {
				strange.Held = append(strange.Held, s.leave(ctx, shards[i], owner, list(row)))
				strange.Err = cmp.Or(strange.Err, error(chat.E(chat.Internal, "redis."+op, unreadable)))
				continue
			}
			out = append(out, *c)
		}
	}
	if strange.Err != nil {
		err = errors.Join(err, strange)
	}
	return out, err
}

// leaveFor is how long nobody claims again what could not be read.
const leaveFor = 10 * time.Second

// leave gives back what this program cannot read. If that fails, whoever compares books does it (see [Store.Owned]), or the lease's end.
func (s *Store) leave(ctx context.Context, sh conversation.Shard, owner string, row []any) (h conversation.Held) {
	h.Shard = sh
	if len(row) > 1 {
		h.Handle, h.Fence = text(row[0]), number(row[1])
		_, _ = s.run(ctx, "leave", s.scripts.leave, prefix(sh), h.Handle, name(owner), h.Fence, millis(leaveFor))
	}
	return h
}

// inShards says in which shards a step failed: those without a result.
func inShards(shards []conversation.Shard, results []any, err error) error {
	if err == nil {
		return nil
	}
	e := &conversation.PartError{Err: err}
	for i, r := range results {
		if r == nil {
			e.Shards = append(e.Shards, shards[i])
		}
	}
	return e
}

func prefixes(shards []conversation.Shard) []string {
	out := make([]string, len(shards))
	for i, sh := range shards {
		out[i] = prefix(sh)
	}
	return out
}

// decodeClaim reads what view in common.lua returns.
func decodeClaim(sh conversation.Shard, owner string, r []any) (*conversation.Claim, error) {
	if len(r) != 14 {
		return nil, fmt.Errorf("claim of %d fields", len(r))
	}
	c := &conversation.Claim{
		Shard: sh, Owner: owner, Handle: text(r[0]), Fence: number(r[1]), Attempt: int(number(r[2])), Now: when(r[3]),
		Waits: int(number(r[4])), Stopped: number(r[5]) == 1, Forget: number(r[13]) == 1,
	}
	var err error
	if c.Message, err = decodeWaiting(text(r[6])); err != nil {
		return nil, err
	}
	c.Key = c.Message.Conversation
	// A memory that is damaged is as one that ended: better than no answer. One of a later release is for that to go on with.
	st := state{}
	if err := decode(text(r[7]), &st); err == nil {
		c.State = st.State
	} else if errors.Is(err, errLater) {
		return nil, fmt.Errorf("state: %w", err)
	}
	for _, e := range list(r[8]) {
		if t, err := decodeTurn(text(e)); err == nil {
			c.History = append(c.History, t)
		} else if errors.Is(err, errLater) {
			return nil, err
		}
	}
	if b := text(r[9]); b != "" {
		var p parts
		if err := decode(b, &p); err != nil {
			return nil, fmt.Errorf("reply: %w", err)
		}
		c.Unfinished = &conversation.Unfinished{Parts: p.Parts, Next: int(number(r[10])), Since: when(r[11]), Tries: int(number(r[12]))}
	}
	return c, nil
}

// Renew implements conversation.Store. What is returned with an error is good; the shards that it says nothing of failed.
func (s *Store) Renew(ctx context.Context, owner string, shards []conversation.Shard, lease time.Duration) (conversation.Renewed, error) {
	const op = "renew"
	if len(shards) == 0 {
		return conversation.Renewed{}, nil
	}
	if lease <= 0 {
		return conversation.Renewed{}, invalid(op, errTTL)
	}
	v, err := s.each(ctx, op, s.scripts.renew, prefixes(shards), nil, name(owner), millis(lease))
	out := conversation.Renewed{LostFence: map[conversation.Shard]int64{}, Owns: map[conversation.Shard]int{}}
	for i, r := range v {
		row := list(r)
		if len(row) < 3 {
			err = cmp.Or(err, failure(op, fmt.Errorf("renewal of %d fields", len(row))))
			continue
		}
		sh := shards[i]
		if number(row[0]) == 0 {
			out.Lost = append(out.Lost, sh)
			out.LostFence[sh] = number(row[1])
			continue
		}
		out.Owns[sh] = int(number(row[2]))
		out.Stops = append(out.Stops, heldPairs(sh, row[3:])...)
	}
	return out, err
}

// heldPairs reads conversation, fence, conversation, fence, …
func heldPairs(sh conversation.Shard, r []any) (out []conversation.Held) {
	for i := 0; i+1 < len(r); i += 2 {
		out = append(out, conversation.Held{Shard: sh, Handle: text(r[i]), Fence: number(r[i+1])})
	}
	return out
}

// Release implements conversation.Store.
func (s *Store) Release(ctx context.Context, c conversation.Claim) error {
	_, err := s.run(ctx, "release", s.scripts.release, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence)
	return err
}

// Reap implements conversation.Store. With an error, the number is of the shards that did not fail.
func (s *Store) Reap(ctx context.Context, shards []conversation.Shard) (int, error) {
	v, err := s.each(ctx, "reap", s.scripts.reap, prefixes(shards), nil)
	err = inShards(shards, v, err)
	n := 0
	for _, r := range v {
		n += int(number(r))
	}
	return n, err
}

// Owned implements conversation.Store.
func (s *Store) Owned(ctx context.Context, sh conversation.Shard, owner string) ([]conversation.Held, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	m, err := s.rdb.HGetAll(ctx, prefix(sh)+"o:"+name(owner)).Result()
	if err != nil {
		return nil, failure("owned", err)
	}
	out := make([]conversation.Held, 0, len(m))
	for h, fence := range m {
		out = append(out, conversation.Held{Shard: sh, Handle: h, Fence: number(fence)})
	}
	return out, nil
}

var _ interface {
	conversation.Store
	conversation.LiveWriter
} = (*Store)(nil)
