package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Claim implements conversation.Store.
func (s *Store) Claim(ctx context.Context, shards []conversation.Shard, name string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	if opt.Lease <= 0 {
		return nil, chat.E(chat.Invalid, "memstore.claim", errTTL)
	}
	var out []conversation.Claim
	for _, id := range shards {
		cs, err := s.claim(ctx, id, name, most, opt)
		if err != nil {
			return out, err
		}
		out = append(out, cs...)
	}
	return out, nil
}

func (s *Store) claim(ctx context.Context, id conversation.Shard, name string, most int, opt conversation.ClaimOptions) (out []conversation.Claim, err error) {
	err = s.with(ctx, "claim", id, func(sh *shard, now time.Time) error {
		ready := sh.ready(now)
		if ready = ready[:max(0, min(most, len(ready)))]; len(ready) == 0 {
			return nil
		}
		o := sh.owners[name]
		if o == nil {
			o = &owner{held: map[string]*conv{}}
			sh.owners[name] = o
		}
		if until := now.Add(opt.Lease); until.After(o.until) {
			o.until = until
		}
		for _, c := range ready {
			sh.fence++
			c.owner, c.fence, c.due = name, sh.fence, time.Time{}
			if c.reply == nil {
				c.attempts++
			}
			o.held[c.handle] = c
			out = append(out, sh.view(c, now, opt.HistoryTurns))
		}
		return nil
	})
	return out, err
}

func (sh *shard) running() (n int) {
	for _, o := range sh.owners {
		n += len(o.held)
	}
	return n
}

// ready lists the claimable conversations, those that have waited longest first.
func (sh *shard) ready(now time.Time) []*conv {
	var out []*conv
	for _, c := range sh.convs {
		if c.isReady(now) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *conv) int {
		return cmp.Or(a.from().Compare(b.from()), cmp.Compare(a.handle, b.handle))
	})
	return out
}

// view is a claim of a conversation as it stands.
func (sh *shard) view(c *conv, now time.Time, turns int) conversation.Claim {
	head := c.mailbox[0]
	out := conversation.Claim{
		Key: c.key, Shard: sh.id, Owner: c.owner, Handle: c.handle, Fence: c.fence, Attempt: c.attempts,
		Message: head, Waits: len(c.mailbox) - 1, Now: now,
		Stopped: head.Seq < c.stop && !c.isStop[head.Seq], Forget: head.Seq < c.forget,
	}
	if now.Before(c.kept) {
		out.State = c.state
	}
	out.History = c.newest(now, turns)
	if r := c.reply; r != nil {
		out.Unfinished = &conversation.Unfinished{Parts: cloneParts(r.parts), Next: r.next, Since: r.since, Tries: r.tries}
	}
	return out
}

// newest are the last turns of a conversation's history.
func (c *conv) newest(now time.Time, turns int) []chat.Turn {
	n := min(turns, len(c.history))
	if n <= 0 || !now.Before(c.kept) {
		return nil
	}
	return slices.Clone(c.history[len(c.history)-n:])
}

// History implements conversation.Store.
func (s *Store) History(ctx context.Context, c conversation.Claim, turns int) (out []chat.Turn, err error) {
	err = s.with(ctx, "history", c.Shard, func(sh *shard, now time.Time) error {
		if known := sh.convs[c.Handle]; known != nil {
			out = known.newest(now, turns)
		}
		return nil
	})
	return out, err
}

func cloneParts(parts []chat.Part) []chat.Part {
	out := make([]chat.Part, len(parts))
	for i, p := range parts {
		out[i] = slices.Clone(p)
	}
	return out
}

// disown takes a conversation out of its owner's books.
func (sh *shard) disown(c *conv) {
	if o := sh.owners[c.owner]; o != nil {
		delete(o.held, c.handle)
	}
	c.owner, c.stopped = "", false
}

// Renew implements conversation.Store.
func (s *Store) Renew(ctx context.Context, name string, shards []conversation.Shard, lease time.Duration) (conversation.Renewed, error) {
	out := conversation.Renewed{LostFence: map[conversation.Shard]int64{}, Owns: map[conversation.Shard]int{}}
	if lease <= 0 {
		return out, chat.E(chat.Invalid, "memstore.renew", errTTL)
	}
	for _, id := range shards {
		err := s.with(ctx, "renew", id, func(sh *shard, now time.Time) error {
			o := sh.owners[name]
			if o == nil {
				out.Lost = append(out.Lost, id)
				out.LostFence[id] = sh.fence
				return nil
			}
			o.until = now.Add(lease)
			out.Owns[id] = len(o.held)
			for _, c := range sortedHeld(o) {
				if c.stopped {
					out.Stops = append(out.Stops, conversation.Held{Shard: id, Handle: c.handle, Fence: c.fence})
				}
			}
			return nil
		})
		if err != nil {
			return conversation.Renewed{}, err
		}
	}
	return out, nil
}

func sortedHeld(o *owner) []*conv {
	out := make([]*conv, 0, len(o.held))
	for _, c := range o.held {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *conv) int { return cmp.Compare(a.handle, b.handle) })
	return out
}

// Release implements conversation.Store.
func (s *Store) Release(ctx context.Context, c conversation.Claim) error {
	return s.with(ctx, "release", c.Shard, func(sh *shard, _ time.Time) error {
		if cv := sh.held(c); cv != nil {
			if cv.reply == nil {
				cv.attempts--
			}
			sh.disown(cv)
		}
		return nil
	})
}

// held finds the conversation if the claim is still good.
func (sh *shard) held(c conversation.Claim) *conv {
	if cv := sh.convs[c.Handle]; cv != nil && cv.owner == c.Owner && cv.owner != "" && cv.fence == c.Fence {
		return cv
	}
	return nil
}

// Reap implements conversation.Store.
func (s *Store) Reap(ctx context.Context, shards []conversation.Shard) (int, error) {
	n := 0
	for _, id := range shards {
		got, err := s.reap(ctx, id)
		if err != nil {
			return n, err
		}
		n += got
	}
	return n, nil
}

func (s *Store) reap(ctx context.Context, id conversation.Shard) (n int, err error) {
	err = s.with(ctx, "reap", id, func(sh *shard, now time.Time) error {
		for name, o := range sh.owners {
			if now.Before(o.until) {
				continue
			}
			n += len(o.held)
			for _, c := range o.held {
				sh.disown(c)
			}
			delete(sh.owners, name)
		}
		sh.end(now)
		return nil
	})
	return n, err
}

// Owned implements conversation.Store.
func (s *Store) Owned(ctx context.Context, id conversation.Shard, name string) ([]conversation.Held, error) {
	var out []conversation.Held
	err := s.with(ctx, "owned", id, func(sh *shard, _ time.Time) error {
		if o := sh.owners[name]; o != nil {
			for _, c := range sortedHeld(o) {
				out = append(out, conversation.Held{Shard: id, Handle: c.handle, Fence: c.fence})
			}
		}
		return nil
	})
	return out, err
}
