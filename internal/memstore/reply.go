package memstore

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// never is when a part may have been sent that certainly was not.
func never() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// wait is how long it is until the intended part may be sent.
func (r *reply) wait(now time.Time) time.Duration {
	if r.since.Equal(never()) {
		return 0
	}
	return max(0, r.since.Sub(now))
}

// slot takes a place at a pace and returns when it is; see slot in redisstore's common.lua.
func (c *conv) slot(p chat.Pace, now time.Time) time.Time {
	if p.Every <= 0 {
		return now
	}
	whole := c.paced
	if whole.Before(now) {
		whole = now
	}
	if most := now.Add(time.Duration(p.Burst+strays) * p.Every); whole.After(most) {
		whole = most
	}
	c.paced = whole.Add(p.Every)
	if at := whole.Add(-time.Duration(p.Burst-1) * p.Every); at.After(now) {
		return at
	}
	return now
}

// strays is how many places that nobody used may delay a part.
const strays = 10

// Intend implements conversation.Store.
func (s *Store) Intend(ctx context.Context, c conversation.Claim, pace chat.Pace) (next conversation.Next, err error) {
	err = s.with(ctx, "intend", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		switch {
		case cv == nil:
			return conversation.ErrFenced
		case cv.reply == nil:
			return chat.E(chat.Invalid, "memstore.intend", errNoReply)
		}
		at := cv.slot(pace, now)
		if cv.reply.since.After(now) {
			cv.reply.since = at
		}
		next.Wait = at.Sub(now)
		return nil
	})
	return next, err
}

// Postpone implements conversation.Store.
func (s *Store) Postpone(ctx context.Context, c conversation.Claim, p conversation.Postponement) error {
	return s.with(ctx, "postpone", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		switch {
		case cv == nil:
			return nil
		case cv.reply == nil:
			return chat.E(chat.Invalid, "memstore.postpone", errNoReply)
		}
		if !p.Maybe {
			cv.reply.since = never()
		}
		cv.reply.tries = p.Tries
		sh.disown(cv)
		if cv.due = now; cv.mailbox[0].Seq >= cv.forget {
			cv.due = now.Add(p.For)
		}
		return nil
	})
}

// GiveUp implements conversation.Store.
func (s *Store) GiveUp(
	ctx context.Context, c conversation.Claim, reason string, keep time.Duration, opt conversation.ClaimOptions,
) (next conversation.Next, err error) {
	err = s.with(ctx, "give_up", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		if cv == nil {
			next, err = sh.repeated(c, now, opt)
			return err
		}
		sh.bury(cv, reason, keep, now)
		next = sh.finish(cv, now, opt)
		return nil
	})
	return next, err
}
