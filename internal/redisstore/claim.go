package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Claim implements conversation.Store. Claims returned with an error are good: other shards failed, or what some conversation holds cannot
// be read (kind Internal). After an error more may have been claimed than is returned: see [Store.Owned].
func (s *Store) Claim(ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	const op = "claim"
	if opt.Lease <= 0 {
		return nil, invalid(op, errTTL)
	}
	if most <= 0 || len(shards) == 0 {
		return nil, nil
	}
	limit := (opt.InFlight + conversation.Shards - 1) / conversation.Shards
	v, err := s.each(ctx, op, s.scripts.claim, prefixes(shards), nil, name(owner), most, millis(opt.Lease), limit, opt.HistoryTurns)
	err = inShards(shards, v, err)
	var out []conversation.Claim
	for i, r := range v {
		for _, row := range list(r) {
			c, unreadable := decodeClaim(shards[i], owner, list(row))
			if unreadable != nil {
				err = cmp.Or(err, error(chat.E(chat.Internal, "redis."+op, unreadable)))
				continue
			}
			out = append(out, *c)
		}
	}
	return out, err
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
	if len(r) != 13 {
		return nil, fmt.Errorf("claim of %d fields", len(r))
	}
	c := &conversation.Claim{
		Shard: sh, Owner: owner, Handle: text(r[0]), Fence: number(r[1]), Attempt: int(number(r[2])), Now: when(r[3]),
		Waits: int(number(r[4])), Stopped: number(r[5]) == 1,
	}
	var err error
	if c.Message, err = decodeWaiting(text(r[6])); err != nil {
		return nil, fmt.Errorf("conversation %s: %w", c.Handle, err)
	}
	c.Key = c.Message.Conversation
	// A memory that cannot be read is as one that ended: better than no answer.
	if st := (state{}); decode(text(r[7]), &st) == nil {
		c.State = st.State
	}
	for _, e := range list(r[8]) {
		if t, err := decodeTurn(text(e)); err == nil {
			c.History = append(c.History, t)
		}
	}
	if b := text(r[9]); b != "" {
		var p parts
		if err := decode(b, &p); err != nil {
			return nil, fmt.Errorf("conversation %s: reply: %w", c.Handle, err)
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
