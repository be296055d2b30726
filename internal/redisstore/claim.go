package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	v, err := s.each(ctx, op, s.scripts.claim, prefixes(shards), nil, name(owner), most, millis(opt.Lease))
	err = inShards(shards, v, err)
	var claims []conversation.Claim
	strange := &conversation.Unreadable{}
	leave := func(c conversation.Claim, why error) {
		strange.Held = append(strange.Held, s.leave(ctx, c))
		strange.Err = cmp.Or(strange.Err, error(chat.E(chat.Internal, "redis."+op, why)))
	}
	for i, r := range v {
		for _, row := range list(r) {
			c, why := decodeClaim(shards[i], owner, list(row))
			if why != nil {
				leave(c, why)
				continue
			}
			claims = append(claims, c)
		}
	}
	out := claims[:0]
	for i, why := range s.recall(ctx, claims, opt.HistoryTurns) {
		switch {
		case why == nil:
			out = append(out, claims[i])
		case errors.Is(why, errLater):
			leave(claims[i], why)
		default:
			err = without(claims[i].Shard, err, why)
		}
	}
	if strange.Err != nil {
		err = errors.Join(err, strange)
	}
	return out, err
}

// without adds a shard to those of which a claim is not returned: whoever compares books gives it back (see [Store.Owned]).
func without(sh conversation.Shard, err, why error) error {
	e, _ := errors.AsType[*conversation.PartError](err)
	if e == nil {
		e = &conversation.PartError{Err: why}
	}
	if !slices.Contains(e.Shards, sh) {
		e.Shards = append(e.Shards, sh)
	}
	return e
}

// leaveFor is how long nobody claims again what could not be read.
const leaveFor = 10 * time.Second

// leave gives back what this program cannot read. If that fails, whoever compares books does it (see [Store.Owned]), or the lease's end.
func (s *Store) leave(ctx context.Context, c conversation.Claim) conversation.Held {
	if c.Handle != "" {
		_, _ = s.run(ctx, "leave", s.scripts.leave, prefix(c.Shard), c.Handle, name(c.Owner), c.Fence, millis(leaveFor))
	}
	return conversation.Held{Shard: c.Shard, Handle: c.Handle, Fence: c.Fence}
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

// decodeClaim reads what view in common.lua returns. With an error, the claim has what names it.
func decodeClaim(sh conversation.Shard, owner string, r []any) (c conversation.Claim, err error) {
	c.Shard, c.Owner = sh, owner
	if len(r) != 13 {
		return c, fmt.Errorf("claim of %d fields", len(r))
	}
	c.Handle, c.Fence, c.Attempt, c.Now = text(r[0]), number(r[1]), int(number(r[2])), when(r[3])
	c.Waits, c.Stopped, c.Forget = int(number(r[4])), number(r[5]) == 1, number(r[12]) == 1
	if c.Message, err = decodeWaiting(text(r[6])); err != nil {
		return c, err
	}
	c.Key = c.Message.Conversation
	// A memory that is damaged is as one that ended: better than no answer. One of a later release is for that to go on with.
	st := state{}
	if err := decode(text(r[7]), &st); err == nil {
		c.State = st.State
	} else if errors.Is(err, errLater) {
		return c, fmt.Errorf("state: %w", err)
	}
	if b := text(r[8]); b != "" {
		var p parts
		if err := decode(b, &p); err != nil {
			return c, fmt.Errorf("reply: %w", err)
		}
		c.Unfinished = &conversation.Unfinished{Parts: p.Parts, Next: int(number(r[9])), Since: when(r[10]), Tries: int(number(r[11]))}
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

// History implements conversation.Store.
func (s *Store) History(ctx context.Context, c conversation.Claim, turns int) ([]chat.Turn, error) {
	claims := []conversation.Claim{{Shard: c.Shard, Handle: c.Handle}}
	err := s.recall(ctx, claims, turns)[0]
	return claims[0].History, err
}

// Reap implements conversation.Store. With an error, the number is of the shards that did not fail.
func (s *Store) Reap(ctx context.Context, shards []conversation.Shard) (int, error) {
	const op = "reap"
	ctx, cancel := s.bound(ctx) // of both steps
	defer cancel()
	if shards = s.stirring(ctx, op, shards, true, "owners", "ready", "mail"); len(shards) == 0 {
		return 0, nil
	}
	v, err := s.each(ctx, op, s.scripts.reap, prefixes(shards), nil)
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
