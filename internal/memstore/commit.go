package memstore

import (
	"context"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// How long dead letters are kept when Keep does not say, and how many a shard keeps.
const (
	deadFor = 7 * 24 * time.Hour
	deadMax = 10000
)

// Commit implements conversation.Store.
func (s *Store) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (next conversation.Next, err error) {
	err = s.with(ctx, "commit", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		switch {
		case cv == nil:
			next, err = sh.repeated(c, now, o.Claim)
			return err
		case cv.reply != nil:
			next.Wait = cv.reply.wait(now)
			return nil
		}
		sh.spend(c.Fence, o.User, o.Spent, now)
		cv.remember(o, now)
		if o.Dead != "" {
			sh.bury(cv, o.Dead, o.Keep.Dead, now)
		}
		if len(o.Parts) == 0 {
			next = sh.finish(cv, now, o.Claim)
			return nil
		}
		cv.stopped = false
		cv.reply = &reply{parts: cloneParts(o.Parts), since: cv.slot(o.Claim.Pace, now)}
		next.Wait = cv.reply.wait(now)
		return nil
	})
	return next, err
}

// remember writes the outcome to the history and the state.
func (c *conv) remember(o conversation.Outcome, now time.Time) {
	if o.Reset || o.Keep.TTL <= 0 || !now.Before(c.kept) {
		c.history = nil
	}
	c.state, c.kept = conversation.State{}, time.Time{}
	if o.Keep.TTL <= 0 {
		return
	}
	c.state, c.kept = o.State, now.Add(o.Keep.TTL)
	if o.Turn == nil || o.Keep.Turns <= 0 {
		return
	}
	h := append(slices.Clone(c.history), *o.Turn)
	total := 0
	for _, t := range h {
		total += len(t.Question) + len(t.Answer)
	}
	for len(h) > 0 && (len(h) > o.Keep.Turns || o.Keep.Bytes > 0 && total > o.Keep.Bytes) {
		total -= len(h[0].Question) + len(h[0].Answer)
		h = h[1:]
	}
	c.history = h
}

func (sh *shard) bury(c *conv, reason string, keep time.Duration, now time.Time) {
	if keep <= 0 {
		keep = deadFor
	}
	sh.forgetDead(now)
	if c.letter == c.mailbox[0].Seq {
		return // by its commit
	}
	c.letter = c.mailbox[0].Seq
	letter := conversation.DeadLetter{
		ID: conversation.DeadID{Shard: sh.id, Seq: c.mailbox[0].Seq}, Message: c.mailbox[0], Reason: reason, At: now, Claims: c.attempts,
	}
	sh.dead = append(sh.dead, expiring[conversation.DeadLetter]{letter, now.Add(keep)})
	if n := len(sh.dead); n > deadMax {
		sh.dead = slices.Delete(sh.dead, 0, n-deadMax)
	}
}

func (sh *shard) forgetDead(now time.Time) {
	sh.dead = slices.DeleteFunc(sh.dead, func(d expiring[conversation.DeadLetter]) bool { return !now.Before(d.until) })
}

// Delivered implements conversation.Store.
func (s *Store) Delivered(ctx context.Context, c conversation.Claim, part int, opt conversation.ClaimOptions) (next conversation.Next, err error) {
	err = s.with(ctx, "delivered", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		switch {
		case cv == nil:
			next, err = sh.repeated(c, now, opt)
			return err
		case cv.reply == nil || part < 0 || part > cv.reply.next:
			return chat.E(chat.Invalid, "memstore.delivered", errOrder)
		case part < cv.reply.next:
			next.Wait = cv.reply.wait(now)
			return nil
		case part+1 == len(cv.reply.parts):
			next = sh.finish(cv, now, opt)
			return nil
		}
		cv.reply.next, cv.reply.since, cv.reply.tries = part+1, cv.slot(opt.Pace, now), 0
		next.Wait = cv.reply.wait(now)
		return nil
	})
	return next, err
}

// finish ends the head message and claims the next one for the same owner, or releases the conversation.
func (sh *shard) finish(c *conv, now time.Time, opt conversation.ClaimOptions) conversation.Next {
	delete(c.isStop, c.mailbox[0].Seq)
	c.mailbox = slices.Delete(c.mailbox, 0, 1)
	sh.waiting--
	c.reply, c.attempts, c.nextFence, c.stopped = nil, 0, 0, false
	c.prevFence, c.prevOwner = c.fence, c.owner
	forgets := c.forgets
	c.gone, c.forgets = conversation.Forgotten{}, false
	if len(c.mailbox) == 0 {
		sh.disown(c)
		c.idleSince = now
		if forgets {
			c.idleSince = now.Add(forgottenFor - repeatable)
		}
		return conversation.Next{}
	}
	sh.fence++
	c.fence, c.nextFence, c.attempts = sh.fence, sh.fence, 1
	claim := sh.view(c, now, opt.HistoryTurns)
	return conversation.Next{Claim: &claim}
}

// repeated answers a step that is not its caller's turn: if the same step was done and its reply was lost, what it answered then, as far
// as it still holds.
func (sh *shard) repeated(c conversation.Claim, now time.Time, opt conversation.ClaimOptions) (conversation.Next, error) {
	cv := sh.convs[c.Handle]
	if cv == nil || cv.prevFence != c.Fence || cv.prevOwner != c.Owner || c.Fence == 0 ||
		!cv.idleSince.IsZero() && now.Sub(cv.idleSince) >= repeatable {
		return conversation.Next{}, conversation.ErrFenced
	}
	if cv.owner == c.Owner && cv.fence == cv.nextFence {
		claim := sh.view(cv, now, opt.HistoryTurns)
		return conversation.Next{Claim: &claim}, nil
	}
	return conversation.Next{}, nil
}
