package simulate

import (
	"context"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// store is the world's store as one process reaches it.
type store struct{ p *process }

var _ conversation.Store = (*store)(nil)

func (s *store) Accept(ctx context.Context, m chat.Message, opt conversation.AcceptOptions) (conversation.Accepted, error) {
	w := s.p.w
	if w.plan.Plant == AckEarly {
		return s.acceptLater(m, opt)
	}
	copy, _ := ctx.Value(copyKey{}).(string)
	return step(ctx, s.p, act{op: "accept", key: m.ID + copy}, func(*act) (conversation.Accepted, error) {
		got, err := w.planted.Accept(context.Background(), m, opt)
		w.ledger.accepted(m, got, err)
		return got, err
	})
}

func (s *store) Claim(ctx context.Context, shards []conversation.Shard, owner string, most int, opt conversation.ClaimOptions) ([]conversation.Claim, error) {
	w := s.p.w
	return step(ctx, s.p, act{op: "claim", key: shards[0].Tenant}, func(a *act) ([]conversation.Claim, error) {
		got, err := w.planted.Claim(context.Background(), shards, owner, most, opt)
		for i := range got {
			w.ledger.claimed(&got[i])
		}
		a.idle = len(got) == 0
		return got, err
	})
}

func (s *store) Renew(ctx context.Context, owner string, shards []conversation.Shard, lease time.Duration) (conversation.Renewed, error) {
	return step(ctx, s.p, act{op: "renew", idle: true}, func(*act) (conversation.Renewed, error) {
		return s.p.w.planted.Renew(context.Background(), owner, shards, lease)
	})
}

func (s *store) Commit(ctx context.Context, c conversation.Claim, o conversation.Outcome) (conversation.Next, error) {
	w := s.p.w
	if w.plan.Plant == TwoCommit {
		var err error
		if o, err = s.rememberFirst(ctx, c, o); err != nil {
			return conversation.Next{}, err
		}
	}
	return step(ctx, s.p, act{op: "commit", key: c.Message.ID}, func(*act) (conversation.Next, error) {
		next, err := w.planted.Commit(context.Background(), c, o)
		w.ledger.committed(c, o, err)
		return w.next(next), err
	})
}

func (s *store) Delivered(ctx context.Context, c conversation.Claim, part int, opt conversation.ClaimOptions) (conversation.Next, error) {
	w := s.p.w
	return step(ctx, s.p, act{op: "delivered", key: fmt.Sprint(c.Message.ID, "/", part)}, func(*act) (conversation.Next, error) {
		next, err := w.planted.Delivered(context.Background(), c, part, opt)
		w.ledger.delivered(c, part, err)
		return w.next(next), err
	})
}

// next tells the ledger of the claim that a step made.
func (w *world) next(n conversation.Next) conversation.Next {
	if n.Claim != nil {
		w.ledger.claimed(n.Claim)
	}
	return n
}

func (s *store) Release(ctx context.Context, c conversation.Claim) error {
	_, err := step(ctx, s.p, act{op: "release", key: c.Handle}, func(*act) (struct{}, error) {
		s.p.w.ledger.released(c)
		return struct{}{}, s.p.w.planted.Release(context.Background(), c)
	})
	return err
}

func (s *store) Forget(ctx context.Context, c conversation.Claim, user string) (conversation.Forgotten, error) {
	return step(ctx, s.p, act{op: "forget", key: c.Message.ID}, func(*act) (conversation.Forgotten, error) {
		got, err := s.p.w.planted.Forget(context.Background(), c, user)
		s.p.w.ledger.forgot(c, got, err)
		return got, err
	})
}

func (s *store) Reap(ctx context.Context, shards []conversation.Shard) (int, error) {
	return step(ctx, s.p, act{op: "reap", key: shards[0].Tenant, idle: true}, func(a *act) (int, error) {
		n, err := s.p.w.planted.Reap(context.Background(), shards)
		a.idle = n == 0
		return n, err
	})
}

func (s *store) History(ctx context.Context, c conversation.Claim, turns int) ([]chat.Turn, error) {
	return step(ctx, s.p, act{op: "history", key: c.Handle}, func(*act) ([]chat.Turn, error) {
		return s.p.w.planted.History(context.Background(), c, turns)
	})
}

func (s *store) Owned(ctx context.Context, sh conversation.Shard, owner string) ([]conversation.Held, error) {
	return step(ctx, s.p, act{op: "owned", key: fmt.Sprint(sh)}, func(*act) ([]conversation.Held, error) {
		return s.p.w.planted.Owned(context.Background(), sh, owner)
	})
}

// Stops passes notices on unless the process is dead or stands still; some are lost.
func (s *store) Stops(ctx context.Context, owner string, tenants func() []string) <-chan conversation.Held {
	in, out := s.p.w.planted.Stops(ctx, owner, tenants), make(chan conversation.Held)
	go func() {
		defer close(out)
		for h := range in {
			if s.p.w.cup.dice("stops", h.Handle).chance(.2) || s.p.pass("stops "+h.Handle) != nil {
				continue
			}
			select {
			case out <- h:
			case <-ctx.Done():
			}
		}
	}()
	return out
}

func (s *store) Seat(
	ctx context.Context, owner string, asks []conversation.SeatAsk, lease time.Duration,
) (map[string]conversation.Seated, error) {
	return step(ctx, s.p, act{op: "seat", key: asks[0].Tenant, idle: true}, func(*act) (map[string]conversation.Seated, error) {
		return s.p.w.planted.Seat(context.Background(), owner, asks, lease)
	})
}

func (s *store) Look(ctx context.Context, shards []conversation.Shard) ([]conversation.Found, error) {
	return step(ctx, s.p, act{op: "look", key: shards[0].Tenant, idle: true}, func(*act) ([]conversation.Found, error) {
		return s.p.w.planted.Look(context.Background(), shards)
	})
}

func (s *store) Stats(ctx context.Context, tenant string) (conversation.Stats, error) {
	return step(ctx, s.p, act{op: "stats", key: tenant, idle: true}, func(*act) (conversation.Stats, error) {
		return s.p.w.planted.Stats(context.Background(), tenant)
	})
}

func (s *store) Spend(ctx context.Context, c conversation.Claim, user string, spent []chat.Spend) error {
	_, err := step(ctx, s.p, act{op: "spend", key: c.Message.ID}, func(*act) (struct{}, error) {
		return struct{}{}, s.p.w.planted.Spend(context.Background(), c, user, spent)
	})
	return err
}

func (s *store) Usage(ctx context.Context, tenant string, d conversation.Day) (conversation.Usage, error) {
	return step(ctx, s.p, act{op: "usage"}, func(*act) (conversation.Usage, error) {
		return s.p.w.planted.Usage(context.Background(), tenant, d)
	})
}

func (s *store) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	return step(ctx, s.p, act{op: "reserve", key: r.Turn}, func(*act) (conversation.Granted, error) {
		return s.p.w.planted.Reserve(context.Background(), r)
	})
}

func (s *store) Settle(ctx context.Context, r conversation.Reservation, tokens int) error {
	_, err := step(ctx, s.p, act{op: "settle", key: r.Turn}, func(*act) (struct{}, error) {
		return struct{}{}, s.p.w.planted.Settle(context.Background(), r, tokens)
	})
	return err
}

func (s *store) Budget(ctx context.Context, tenant, user string, d conversation.Day) (conversation.Budget, error) {
	return step(ctx, s.p, act{op: "budget"}, func(*act) (conversation.Budget, error) {
		return s.p.w.planted.Budget(context.Background(), tenant, user, d)
	})
}

// Write implements conversation.LiveWriter.
func (s *store) Write(ctx context.Context, key chat.ConversationKey, l chat.Live) (bool, error) {
	return step(ctx, s.p, act{op: "live", key: key.ID, idle: true}, func(*act) (bool, error) {
		return s.p.w.store.Write(context.Background(), key, l)
	})
}
