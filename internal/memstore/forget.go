package memstore

import (
	"context"
	"slices"
	"time"

	"parley/internal/conversation"
)

// Forget implements conversation.Store.
func (s *Store) Forget(ctx context.Context, c conversation.Claim, user string) (out conversation.Forgotten, err error) {
	err = s.with(ctx, "forget", c.Shard, func(sh *shard, now time.Time) error {
		cv := sh.held(c)
		if cv == nil {
			return conversation.ErrFenced
		}
		if now.Before(cv.kept) {
			cv.gone.Turns += len(cv.history)
		}
		cv.history, cv.state, cv.kept = nil, conversation.State{}, time.Time{}
		if f := s.feeds[cv.key]; f != nil && now.Before(f.until) {
			cv.gone.Shown += len(f.entries)
		}
		delete(s.feeds, cv.key)
		delete(s.live, cv.key)
		sh.forgetDead(now)
		n := len(sh.dead)
		sh.dead = slices.DeleteFunc(sh.dead, func(d expiring[conversation.DeadLetter]) bool {
			m := d.value.Message
			return m.Conversation == cv.key && m.User == c.Message.User
		})
		cv.gone.Letters += n - len(sh.dead)
		cv.gone.Days += sh.disguise(user)
		cv.forgets = true
		out = cv.gone
		return nil
	})
	return out, err
}

// disguise makes a person's usage nobody's, and counts the days.
func (sh *shard) disguise(user string) (days int) {
	for _, usage := range sh.usage {
		found := false
		for who, t := range usage {
			if who.User == user {
				found = true
				delete(usage, who)
				who.User = conversation.Nobody
				usage[who] = usage[who].Plus(t)
			}
		}
		if found {
			days++
		}
	}
	return days
}

// end forgets the mailboxes whose time is over.
func (sh *shard) end(now time.Time) {
	for handle, c := range sh.convs {
		if c.isIdle() && !now.Before(c.until) {
			sh.waiting -= len(c.mailbox)
			sh.ended += len(c.mailbox)
			delete(sh.convs, handle)
		}
	}
}
