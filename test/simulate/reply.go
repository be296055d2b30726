package simulate

import (
	"context"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// How replies go out: what their steps do, and what the ledger makes of it.

func (s *store) Intend(ctx context.Context, c conversation.Claim, p chat.Pace) (conversation.Next, error) {
	return step(ctx, s.p, act{op: "intend", key: c.Message.ID}, func(*act) (conversation.Next, error) {
		return s.p.w.planted.Intend(context.Background(), c, p)
	})
}

func (s *store) Postpone(ctx context.Context, c conversation.Claim, p conversation.Postponement) error {
	_, err := step(ctx, s.p, act{op: "postpone", key: c.Message.ID}, func(*act) (struct{}, error) {
		s.p.w.ledger.postponed(c, p)
		return struct{}{}, s.p.w.planted.Postpone(context.Background(), c, p)
	})
	return err
}

func (s *store) GiveUp(
	ctx context.Context, c conversation.Claim, reason string, keep time.Duration, opt conversation.ClaimOptions,
) (conversation.Next, error) {
	w := s.p.w
	return step(ctx, s.p, act{op: "give_up", key: c.Message.ID}, func(*act) (conversation.Next, error) {
		next, err := w.planted.GiveUp(context.Background(), c, reason, keep, opt)
		w.ledger.gaveUp(c, reason, err)
		return w.next(next), err
	})
}

func (s *planted) Intend(ctx context.Context, c conversation.Claim, p chat.Pace) (conversation.Next, error) {
	return s.Store.Intend(ctx, s.unfenced(c), p)
}

func (s *planted) Postpone(ctx context.Context, c conversation.Claim, p conversation.Postponement) error {
	return s.Store.Postpone(ctx, s.unfenced(c), p)
}

func (s *planted) GiveUp(
	ctx context.Context, c conversation.Claim, reason string, keep time.Duration, opt conversation.ClaimOptions,
) (conversation.Next, error) {
	next, err := s.Store.GiveUp(ctx, s.unfenced(c), reason, keep, opt)
	if next.Claim != nil {
		s.see(next.Claim)
	}
	return next, err
}

// postponed follows whose a conversation is, and checks that what was not shown is not said to be doubtful. It is called right before the effect.
func (l *ledger) postponed(c conversation.Claim, p conversation.Postponement) {
	t, le := l.talk(c.Key), l.letters[c.Message.ID]
	if !l.holds(c) {
		return
	}
	t.open, t.owner, t.due = false, "", time.Now().Add(p.For)
	if l.hurried(t, le) {
		t.due = time.Time{}
	}
	doubtful := false
	for _, s := range le.parts {
		doubtful = doubtful || !s.doubt.IsZero() || !s.intended.IsZero()
	}
	if p.Maybe && !doubtful {
		l.w.fault("%s is postponed as if it may have been shown", le.m.ID)
	}
	l.w.note(name(c.Key), "%s is postponed by %s for %v after %d tries, maybe %v", c.Message.ID, c.Owner, p.For, p.Tries, p.Maybe)
}

// hurried reports whether somebody behind a message wants to be forgotten: then its reply does not wait.
func (l *ledger) hurried(t *talk, le *letter) bool {
	return slices.ContainsFunc(t.letters, func(other *letter) bool { return other.m.Text == "/forget" && other.seq > le.seq })
}

// gaveUp checks that a reply was tried for as long as replies are kept before it was given up.
func (l *ledger) gaveUp(c conversation.Claim, reason string, err error) {
	w, le := l.w, l.letters[c.Message.ID]
	if err != nil || le.done {
		return
	}
	w.note(name(c.Key), "%s is given up by %s: %s", le.m.ID, c.Owner, reason)
	age, forget := time.Since(le.at), reason == "forget" && l.hurried(l.talk(c.Key), le)
	if !le.committed || age < sendFor && !forget {
		w.fault("%s was given up after %v, committed %v", le.m.ID, age, le.committed)
	}
	failed := false
	for _, s := range le.parts {
		if failed = failed || !s.tries.IsZero(); s.shown == 0 {
			s.skipped = true
		}
	}
	if !failed && !w.plan.Kinds[Block] {
		w.fault("%s was given up, and no send of it failed", le.m.ID)
	}
	le.dead = reason
	l.finish(le)
}

// failed notes that the platform refused a part for now. It takes the lock.
func (l *ledger) failed(id string, no int) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if s := l.part(id, no); s != nil && s.tries.IsZero() {
		s.tries = time.Now()
	}
}

// called judges a call of the platform, whatever it answers: in no time there are more than the channel's pace allows. Who stands still
// may make one late. It takes the lock.
func (l *ledger) sends(m chat.Message) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	t, now := l.talk(m.Conversation), time.Now()
	t.sends = append(t.sends, now)
	frozen := 0
	if w.plan.Kinds[Freeze] {
		frozen = 4 + len(w.plan.Turns)
	}
	for i, from := range t.sends {
		if n, most := len(t.sends)-i, pace.Burst+1+int(now.Sub(from)/pace.Every)+frozen; n > most {
			w.fault("%s: %d sends within %v, want at most %d", name(m.Conversation), n, now.Sub(from), most)
		}
	}
}

// block is a time in which a channel refuses all, for a reason that an operator mends.
type block struct {
	channel     string
	from, until time.Time
	calls       map[string]int // refused, by process
}

// mostRefused bounds the calls that one process makes in vain while a channel refuses all: those on their way when it began, and then one at a
// time with growing pauses.
const mostRefused = 12

// blocks reports whether a channel refuses all now, and counts. It takes the lock.
func (w *world) blocks(channel, by string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	i := slices.IndexFunc(w.blocked, func(b block) bool {
		return b.channel == channel && !now.Before(b.from) && now.Before(b.until) && !w.calm
	})
	if i < 0 {
		return false
	}
	b := &w.blocked[i]
	if b.calls[by]++; b.calls[by] > mostRefused {
		w.fault("%s called the channel %s %d times in vain within %v", by, channel, b.calls[by], now.Sub(b.from))
	}
	return true
}
